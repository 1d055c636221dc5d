"""How the command sets up the standard library's logging: what the settings say together."""

from __future__ import annotations

import logging

from anylane.errors import ConfigError
from anylane_backends.hosting.cli.app_loading import CannotStart, put_on_import_path
from anylane_backends.hosting.cli.log_lines import write_to_standard_error
from anylane_backends.hosting.cli.options import Options
from anylane_backends.hosting.messages import access_logger, log, logger


def set_up_logging(options: Options, instead_of: Options | None = None) -> None:
    """Set up logging as the file of `--log-config` says, where there is one, and as the other
    settings say about the rest.

    instead_of: as what it is set up now; if the new file cannot be used, it stays so. Without a
    file anylane's messages of `log_level` and above go to standard error, and other libraries' from
    warning on, as long as the app sets up nothing.

    Raises ConfigError for a file that cannot be used.
    """
    try:
        _apply(options, instead_of)
    except (ConfigError, CannotStart):
        if instead_of is not None:
            _apply(instead_of, options)
        raise


def _apply(options: Options, before: Options | None) -> None:
    run, config = options.run, options.log_config
    if before is not None and before.log_config is not None:
        before.log_config.withdraw()
    write_to_standard_error(run.log_format)
    if config is not None:
        put_on_import_path(run.app_dir)  # It may name classes of the app's.
        config.apply()
    # A level that was asked for counts, and else that of the file, if it has one.
    if config is None or "log_level" in options.given or not config.has_level(logger.name):
        logger.setLevel(run.log_level.upper())
    if config is None or not config.has_level(access_logger.name):
        # Whatever the level of the others is: the lines were asked for by a setting of their own.
        access_logger.setLevel(logging.INFO if run.access_log else logging.NOTSET)


def warn_of_several_processes(options: Options) -> None:
    """Warn of handlers that lose lines where several processes write."""
    if options.log_config is not None:
        for each in options.log_config.unshared():
            log("warning", each, None)
