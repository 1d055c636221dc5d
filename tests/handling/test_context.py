"""Context, where no other file of this folder has it."""

from __future__ import annotations

from anylane import App, Context
from anylane.testing import TestClient


def test_both_clocks_move_with_virtual_time() -> None:
    app = App()

    @app.get("/")
    async def clocks(ctx: Context) -> list[float]:
        before = ctx.now(), ctx.time()
        await ctx.sleep(20)
        return [ctx.now() - before[0], ctx.time() - before[1]]

    assert TestClient(app).get("/").json() == [20, 20]


def test_the_app_of_a_context_knows_the_paths_of_its_routes() -> None:
    app = App()

    @app.get("/users/{id:int}", name="user")
    async def user(ctx: Context) -> str:
        return ctx.app.path_for("user", id=8) + ctx.path_for("user", id=9)

    assert TestClient(app).get("/users/7").text == "/users/8/users/9"
