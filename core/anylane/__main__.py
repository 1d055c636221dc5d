"""`python -m anylane`: the `anylane` command."""


def main() -> None:
    from anylane.serving import main as command

    command()


if __name__ == "__main__":
    main()
