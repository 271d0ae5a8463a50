"""A mail server that keeps what it is sent."""

from __future__ import annotations

import re
import socketserver


class Server(socketserver.ThreadingTCPServer):
    """An SMTP server that takes what it is sent, but for addresses that begin with `no`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.said: list[str] = []
        self.got: list[bytes] = []
        self.offers = ["here", "AUTH PLAIN", "8BITMIME"]

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def recipients(self) -> list[str]:
        """Who was named as a recipient, so far."""
        return re.findall(r"^rcpt to:<(.*?)>", "\n".join(self.said), re.MULTILINE | re.IGNORECASE)


class Talk(socketserver.StreamRequestHandler):
    """One connection."""

    server: Server

    def handle(self) -> None:
        self._say("220 here")
        for line in map(bytes.decode, self.rfile):
            self.server.said.append(line.strip())
            verb = line[:4].upper()
            if verb == "EHLO":
                for offer in self.server.offers:
                    self._say(f"250-{offer}")
                self._say("250 OK")
            elif verb == "AUTH":
                self._say("235 fine" if "AHVzZXIAaHVudGVyMg==" in line else "535 wrong")
            elif verb == "RCPT" and ":<no" in line:
                self._say("550 nobody\x1b[31m of that name")
            elif verb == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(b"".join(line.removeprefix(b".") for line in lines))
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 OK")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
