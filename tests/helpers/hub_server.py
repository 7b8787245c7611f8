"""A hub on 127.0.0.1: what `snapshot_download` asks for, no more. One commit per repository."""

import hashlib
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

ASKED = re.compile(
    r"/(?P<api>api/)?(?P<kind>datasets/|models/)?(?P<repo>[^/]+/[^/]+)"
    r"(?:/(?P<what>revision|tree|resolve)/(?P<revision>[^/]+))?(?:/(?P<path>.+))?"
)


class Hub:
    """Serves {"datasets/nyu-mll/glue" or "models/me/bert": folder}; remembers what was asked."""

    def __init__(self, repos):
        self.repos, self.requests, self.faults = repos, [], []
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
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

    def fail(self, match, status, n=1, code=""):
        """The next n requests that hold `match` get this answer; 0: none, 200: the right one."""
        self.faults += [(match, status, code)] * n

    def env(self, home):
        """Environment of a client that knows this hub and the cache `home` only."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
        switches = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK")
        env |= {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "no_proxy": "127.0.0.1"}
        return env | dict.fromkeys((*switches, "HF_HUB_DISABLE_PROGRESS_BARS"), "1")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        line = f"{self.command} {self.path}"
        self.hub.requests.append(line)
        fault = next((fault for fault in self.hub.faults if fault[0] in line), None)
        if fault:
            self.hub.faults.remove(fault)
            if not fault[1]:
                self.close_connection = True
                return None
            if fault[1] != 200:
                return self.reply(fault[1], b"", {"X-Error-Code": fault[2]})
        asked = ASKED.fullmatch(unquote(urlsplit(self.path).path))
        if asked is None:  # the front page
            return self.reply(200, b"", {})
        repo = (asked["kind"] or "models/") + asked["repo"]
        if repo not in self.hub.repos:
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        commit, files = self.hub.commit(repo), self.hub.files(repo)
        if asked["revision"] not in (None, "main", commit):
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        ids = {path: hashlib.sha1(content).hexdigest() for path, content in files.items()}
        if asked["what"] == "resolve":
            ids = {"ETag": f'"{ids[asked["path"]]}"', "X-Repo-Commit": commit}
            return self.reply(200, files[asked["path"]], ids)
        if asked["what"] == "tree":
            answer = [
                {"type": "file", "path": path, "size": len(files[path]), "oid": oid}
                for path, oid in ids.items()
            ]
        else:
            answer = {"id": asked["repo"], "sha": commit, "siblings": []}
        return self.reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def do_HEAD(self):
        self.do_GET()

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
