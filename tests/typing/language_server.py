"""Ask pyright's language server what it shows in an editor."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Timer
from typing import IO, Any

__all__ = ["LanguageServer", "running"]

#: Seconds after which a server that answers no more is ended.
PATIENCE = 120

MARKDOWN = ["markdown"]
#: What an editor says that it can show.
EDITOR = {
    "hover": {"contentFormat": MARKDOWN},
    "completion": {"completionItem": {"documentationFormat": MARKDOWN}},
    "signatureHelp": {
        "signatureInformation": {
            "documentationFormat": MARKDOWN,
            "activeParameterSupport": True,
        }
    },
}


class LanguageServer:
    """Speaks with a server by its pipes, and has one file open."""

    def __init__(self, folder: Path, write: IO[bytes], read: IO[bytes]) -> None:
        self._write = write
        self._read = read
        self._numbers = count(1)
        self._uri = (folder / "tests" / "unsaved.py").as_uri()
        self._text = ""
        root = {"uri": folder.as_uri(), "name": folder.name}
        self._ask(
            "initialize",
            processId=None,
            rootUri=root["uri"],
            workspaceFolders=[root],
            capabilities={"textDocument": EDITOR},
        )
        self._send(method="initialized", params={})

    def open(self, text: str) -> None:
        """Let the file have a text."""
        self._text = text
        document = {"uri": self._uri, "languageId": "python", "version": 1, "text": text}
        self._send(method="textDocument/didOpen", params={"textDocument": document})

    def completions(self, after: str) -> set[str]:
        """Return the keyword arguments that are offered after a part of the text."""
        found = self._ask_at("completion", after)
        return {item["label"] for item in found["items"] if item["label"].endswith("=")}

    def hover(self, after: str) -> str:
        """Return what is shown beside the name that ends with a part of the text."""
        found = self._ask_at("hover", after)
        return str(found["contents"]["value"]) if found else ""

    def parameter(self, after: str) -> str:
        """Return what is shown of the argument that is being written after a part of the text."""
        found = self._ask_at("signatureHelp", after)
        signature = found["signatures"][found.get("activeSignature", 0)]
        active = signature.get("activeParameter", found.get("activeParameter"))
        return str(signature["parameters"][active]["documentation"]["value"])

    def _ask_at(self, what: str, after: str) -> Any:
        before = self._text[: self._text.index(after) + len(after)]
        position = {
            "line": before.count("\n"),
            "character": len(before.rpartition("\n")[2]),
        }
        document = {"uri": self._uri}
        return self._ask(f"textDocument/{what}", textDocument=document, position=position)

    def _ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._send(id=number, method=method, params=params)
        while True:
            told = self._receive()
            if "method" not in told and told.get("id") == number:
                assert "error" not in told, told["error"]
                return told["result"]
            if "id" in told:  # the server asks for the editor's settings, or announces something
                asked = told.get("params", {}).get("items")
                self._send(id=told["id"], result=asked and [{} for _ in asked])

    def _send(self, **message: Any) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._write.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self._write.flush()

    def _receive(self) -> dict[str, Any]:
        length = 0
        while header := self._read.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the server has ended"
        found: dict[str, Any] = json.loads(self._read.read(length))
        return found


@contextmanager
def running(command: Path, folder: Path) -> Iterator[LanguageServer]:
    """Run a server for the length of a block, for the project in a folder."""
    with subprocess.Popen(
        [command, "--stdio"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        watchdog = Timer(PATIENCE, server.kill)
        watchdog.start()
        try:
            yield LanguageServer(folder, server.stdin, server.stdout)
        finally:
            watchdog.cancel()
            server.kill()
