"""The text of a config, formatted once for all who write it down."""

from __future__ import annotations

from typing import ClassVar

from mmengine.config import Config

from m3i_mm.engine.hooks import StoppedError

__all__ = ['FormattedConfig']


class FormattedConfig(Config):
    """A config that formats its text again only after a change.

    A run writes its config five times at the start (the log, the work folder,
    every visualizer, the message hub, the first checkpoint). MMEngine lets
    yapf format it each time, 1.5 s of a processor for the demo's.
    """

    # content and text of the config that was formatted last
    _last: ClassVar[tuple[str, str]] = ('', '')

    @classmethod
    def of(cls, cfg: Config) -> FormattedConfig:
        """Return a config over the same entries.

        Args:
            cfg (Config): Any config.

        Returns:
            FormattedConfig: Changes of one show in the other.
        """
        made = cls.__new__(cls)
        made.__setstate__(cfg.__getstate__())
        return made

    @property
    def pretty_text(self) -> str:
        """The config as Python code; see MMEngine."""
        content = repr(self._cfg_dict)
        known, text = FormattedConfig._last
        if known != content:
            text = self._format()
            FormattedConfig._last = content, text
        return text

    def _format(self) -> str:
        try:
            return super().pretty_text
        except SyntaxError as error:
            # MMEngine takes a signal that comes meanwhile for a wrong config
            if isinstance(error.__context__, StoppedError | KeyboardInterrupt):
                raise error.__context__ from None
            raise
