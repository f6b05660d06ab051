"""HTTP on a connection, with the patience of a server that strangers can reach.

Who connects and sends nothing, sends a head without end or very slowly, or never reads what was answered, is let go. The
parser below knows only how long a connection may be idle between two requests.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.api.settings import ServeSettings

HEAD_BYTES = 65_536
_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def protocol(settings: ServeSettings) -> type[asyncio.Protocol]:
    """The protocol with these settings."""

    class Patient(HttpToolsProtocol):
        """One connection."""

        _head_timer: asyncio.TimerHandle | None = None
        _write_timer: asyncio.TimerHandle | None = None
        _head_bytes = 0
        _raw_bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timers()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._head_timer is not None:
                # What came so far is all of the head, and it goes on.
                self._raw_bytes += len(data)
                if self._raw_bytes > HEAD_BYTES:
                    self._let_go(_LONG)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._head_timer is None:
                self._expect_head()

        def on_header(self, name: bytes, value: bytes) -> None:
            super().on_header(name, value)
            self._head_bytes += len(name) + len(value)
            if self._head_bytes > HEAD_BYTES:
                self._let_go(_LONG)

        def on_headers_complete(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
            super().on_headers_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._write_timer = self.loop.call_later(settings.write_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._write_timer is not None:
                self._write_timer.cancel()
                self._write_timer = None

        def _expect_head(self) -> None:
            self._head_bytes = self._raw_bytes = 0
            self._head_timer = self.loop.call_later(settings.header_seconds, self._let_go, _SLOW)

        def _let_go(self, words: bytes) -> None:
            self._stop_timers()
            if not self.transport.is_closing():
                self.transport.write(words)
                self.transport.close()

        def _stop_timers(self) -> None:
            for timer in (self._head_timer, self._write_timer):
                if timer is not None:
                    timer.cancel()
            self._head_timer = self._write_timer = None

    return Patient
