"""A hub on 127.0.0.1 that answers what `snapshot_download` asks for; one commit per repository."""

import hashlib
import importlib
import json
import os
import re
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

GLUE, BERT = "datasets/nyu-mll/glue", "models/me/bert"
REQUEST = re.compile(
    r"/(?P<api>api/)?(?P<kind>datasets/|models/)?(?P<repo>[^/]+/[^/]+)"
    r"(?:/(?P<what>revision|tree|resolve)/(?P<revision>[^/]+))?(?:/(?P<path>.+))?"
)
PAGE, PORTAL, CUT_JSON = "page", "portal", "cut json"
"""Answers of something other than a hub: a login page, the way to one, half of an answer."""


class Hub:
    """A server of repositories.

    Args:
        repos: Folder of each repository, by `datasets/nyu-mll/glue` or `models/me/bert`.

    Attributes:
        requests: Method and path of each request.
        faults: Faults that `fail` has ordered and that have not happened yet.
        slow: Text in the path of answers that arrive one byte at a time, and seconds between bytes.
        damaged: Path of a file that arrives with changed bytes.
    """

    def __init__(self, repos):
        self.repos, self.requests, self.faults = repos, [], []
        self.slow, self.damaged = (None, 0), None
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Refuse connections from now on."""
        self.server.shutdown()
        self.server.server_close()

    def files(self, repo):
        folder = Path(self.repos[repo])
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}

    def commit(self, repo):
        digest = hashlib.sha1(repo.encode())
        for path, content in self.files(repo).items():
            digest.update(path.encode() + content)
        return digest.hexdigest()

    def downloads(self):
        """Return the requests for the content of files."""
        return [r for r in self.requests if r.startswith("GET") and "/resolve/" in r]

    def fail(self, match, fault, n=1, code=""):
        """Answer the next n requests that contain `match` with a fault.

        Args:
            match: Part of method and path.
            fault: Status, `PAGE`, `PORTAL` or `CUT_JSON`. Status 0 closes the connection; 200 gives
                the correct answer.
            n: Number of requests.
            code: Reason for a status; the hub sends one, and what is between may not.
        """
        self.faults += [(match, fault, code)] * n

    def env(self, home):
        """Return the environment of a client that uses this hub and the cache `home` only."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
        switches = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK")
        env |= {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "no_proxy": "127.0.0.1"}
        return env | dict.fromkeys((*switches, "HF_HUB_DISABLE_PROGRESS_BARS"), "1")


def is_lfs(path):
    """Return whether the hub stores a file in Git LFS."""
    return path.endswith((".safetensors", ".parquet", ".bin"))


def blob_id(path, content):
    """Return the hash by which the hub and its cache name a file: SHA-256, or Git's of a blob."""
    if is_lfs(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()


def describe_file(path, content):
    """Return what the hub lists about a file."""
    oid, size = blob_id(path, content), len(content)
    lfs = {"lfs": {"oid": oid, "size": size, "pointerSize": 130}} if is_lfs(path) else {}
    return {"type": "file", "path": path, "size": size, "oid": oid, **lfs}


def flip_bytes(content):
    """Return the content with the last eight bytes changed."""
    return content[:-8] + bytes(255 - byte for byte in content[-8:])


class Client:
    """The hub's client in this process, whose environment can be changed at any time.

    Args:
        monkeypatch: Undoes all changes, except for `close`.
        env: Environment, such as that of `Hub.env`.
    """

    def __init__(self, monkeypatch, env):
        from huggingface_hub.utils import disable_progress_bars

        from stablebert.hub import client

        disable_progress_bars()
        self.monkeypatch = monkeypatch
        for name in [n for n in os.environ if n.startswith(("HF_", "TRANSFORMERS_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setattr(client, "WAITS", (0, 0, 0))
        self.set(**{k: v for k, v in env.items() if k.startswith(("HF_", "no_proxy"))})

    def set(self, **env):
        """Set variables of the environment."""
        for name, value in env.items():
            self.monkeypatch.setenv(name, value)
        self.reload()

    def unset(self, *names):
        """Remove variables from the environment."""
        for name in names:
            self.monkeypatch.delenv(name)
        self.reload()

    @staticmethod
    def reload():
        """Make the client read the environment again, as a new process would."""
        from huggingface_hub import constants, file_download
        from huggingface_hub.utils import _http

        from stablebert.hub import fetching
        from stablebert.ops.checks import hub
        from stablebert.runs import locate

        importlib.reload(constants)
        if hasattr(_http, "reset_sessions"):  # huggingface_hub 0 copies what it has read
            _http.reset_sessions()
            file_download.HUGGINGFACE_CO_URL_TEMPLATE = constants.HUGGINGFACE_CO_URL_TEMPLATE
        else:
            _http.close_session()
        for cached in (
            *(fetching._warn_once, hub.hub_connection_problem),
            *(locate.locate_data, locate.locate_model),
        ):
            cached.cache_clear()


def closed_address():
    """Return an address where nobody listens, and a socket that reserves it until it is closed."""
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{reserved.getsockname()[1]}", reserved


LOGIN = "/login"
IMPOSTORS = {
    PAGE: (200, b"<html>Please log in</html>", {"Content-Type": "text/html"}),
    PORTAL: (302, b"", {"Location": LOGIN}),
    CUT_JSON: (200, b'{"id": "nyu-mll/glue", "sha": "0', {"Content-Type": "application/json"}),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        line = f"{self.command} {self.path}"
        self.hub.requests.append(line)
        if self.path == LOGIN:
            return self.reply(*IMPOSTORS[PAGE])
        fault = next((fault for fault in self.hub.faults if fault[0] in line), None)
        if fault:
            self.hub.faults.remove(fault)
            if not fault[1]:
                self.close_connection = True
                return None
            if fault[1] in IMPOSTORS:
                status, body, headers = IMPOSTORS[fault[1]]
                return self.reply(status, body, headers)
            if fault[1] != 200:
                return self.reply(fault[1], b"", {"X-Error-Code": fault[2]} if fault[2] else {})
        request = REQUEST.fullmatch(unquote(urlsplit(self.path).path))
        if request is None:  # the front page
            return self.reply(*IMPOSTORS[PAGE])
        repo = (request["kind"] or "models/") + request["repo"]
        if repo not in self.hub.repos:
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        commit, files = self.hub.commit(repo), self.hub.files(repo)
        if request["revision"] not in (None, "main", commit):
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        ids = {path: blob_id(path, content) for path, content in files.items()}
        if request["what"] == "resolve":
            ids = {"ETag": f'"{ids[request["path"]]}"', "X-Repo-Commit": commit}
            content = files[request["path"]]
            if request["path"] == self.hub.damaged:
                content = flip_bytes(content)
            return self.reply(200, content, ids)
        if request["what"] == "tree":
            answer = [describe_file(path, files[path]) for path in files]
        else:
            answer = {"id": request["repo"], "sha": commit, "siblings": []}
        return self.reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def do_HEAD(self):
        self.do_GET()

    def do_CONNECT(self):
        self.do_GET()

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        match, seconds = self.hub.slow
        if self.command == "GET" and match and match in self.path:
            with suppress(OSError):  # the client gives up
                for byte in body:
                    time.sleep(seconds)
                    self.wfile.write(bytes([byte]))
        elif self.command == "GET":
            self.wfile.write(body)
