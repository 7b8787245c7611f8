"""A W&B server on 127.0.0.1 that answers what the client asks for when sweeps run.

An answer depends on the name of the GraphQL operation only and contains more than any version of
the client asks for; clients ignore what they do not know. A real server may treat states,
re-queueing and limits differently.
"""

import itertools
import json
import os
import re
import sys
import threading
import time
import traceback
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

KEY = "0123456789abcdef0123456789abcdef01234567"
DRIP = "drip"
"""Fault of a server that answers one byte at a time, for ever."""
NOT_JSON = "not json"
"""Fault of another program that answers every request with a page."""
STAMP = "2026-01-01T00:00:00Z"
WHO = {"id": "1", "entity": "ent", "username": "ent", "name": "ent", "email": "", "flags": "{}"}
WHO |= {
    "teams": {"edges": [{"node": {"name": "ent"}}]},
    "admin": False,
    "deletedAt": None,
    "apiKeys": {"edges": []},
}


@dataclass
class Run:
    """A run as the server sees it."""

    id: str
    project: str
    display_name: str = ""
    group: str | None = None
    tags: list = field(default_factory=list)
    sweep: str | None = None
    agent: str | None = None
    args: dict | None = None
    state: str = "pending"
    exitcode: int | None = None
    preempting: bool = False
    handed_out: int = 1
    raw: dict = field(default_factory=dict)
    summary: dict = field(default_factory=dict)
    lines: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)

    @property
    def config(self):
        return {k: v["value"] for k, v in self.raw.items() if k != "_wandb"}

    @property
    def history(self):
        """The logged rows, without the client's own columns."""
        rows = [json.loads(self.lines[i]) for i in sorted(self.lines)]
        return [{k: v for k, v in row.items() if k[0] != "_"} for row in rows]


@dataclass
class Sweep:
    id: str
    project: str
    config: dict
    todo: list
    again: list = field(default_factory=list)
    agents: int = 0


class WandbServer:
    """A server whose state is in memory and survives `stop` and `start`.

    Attributes:
        requests: Method, path and operation of each request, without telemetry.
        unknown: Requests that the server cannot answer, and its own errors; empty if all is well.
    """

    def __init__(self):
        self.port, self.ids, self.lock = 0, itertools.count(1), threading.RLock()
        self.reset()

    def reset(self):
        """Forget runs, sweeps, views, charts, faults and requests."""
        self.runs_by_id, self.sweeps, self.views, self.charts, self.agents = {}, {}, {}, {}, {}
        self.faults, self.unknown, self.requests, self.redirection = [], [], [], self.url

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        handler = type("Handler", (_Handler,), {"owner": self})
        self.http = _Server(("127.0.0.1", self.port), handler)
        self.http.owner = self
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def env(self, home):
        """Return the environment of a client that uses this server and writes to `home` only."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        env |= {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "no_proxy": "127.0.0.1"}
        env |= {f"WANDB_{kind}_DIR": f"{home}/{kind.lower()}" for kind in ("CACHE", "CONFIG")}
        return env | {"WANDB_DIR": str(home), "WANDB_ERROR_REPORTING": "false"}

    def fail(self, match, fault, n=1):
        """Answer the next n requests that contain `match` with a status, `DRIP` or `NOT_JSON`."""
        self.faults += [(match, fault)] * n

    def runs(self):
        return list(self.runs_by_id.values())

    # ------------------------------------------------------------ sweeps

    def upsert_sweep(self, v):
        config = yaml.safe_load(v["config"])
        names = sorted(config["parameters"])
        options = [config["parameters"][n] for n in names]
        options = [list(dict.fromkeys(o.get("values", [o.get("value")]))) for o in options]
        grid = [dict(zip(names, values, strict=True)) for values in itertools.product(*options)]
        sweep = Sweep(f"sweep{next(self.ids)}", v["projectName"], config, grid)
        self.sweeps[sweep.id] = sweep
        return {"upsertSweep": {"sweep": self.node_of(sweep), "configValidationWarnings": []}}

    def create_agent(self, v):
        name = f"agent{next(self.ids)}"
        self.agents[name] = v["sweep"]
        return {"createAgent": {"agent": {"id": name}}}

    def heartbeat(self, v):
        """Send at most one command: a preempted run, or the next run of the grid."""
        alive = {name for name, runs in json.loads(v["runState"] or "{}").items() if runs}
        sweep = self.sweeps[self.agents[v["id"]]]
        commands = []
        if not alive:
            for run in self.runs():
                if run.agent == v["id"] and run.state in ("pending", "running"):
                    self.ended(run, "crashed")  # its process ended without reporting
            if sweep.again:
                run = sweep.again.pop(0)
                run.handed_out += 1
            elif sweep.todo:
                run = Run(f"run{next(self.ids)}", sweep.project, sweep=sweep.id)
                run.args = {k: {"value": value} for k, value in sweep.todo.pop(0).items()}
                run.raw = dict(run.args)
                self.runs_by_id[run.id] = run
            else:
                run = None
            command = {"type": "exit"}
            if run:
                run.agent, run.state = v["id"], "pending"
                kind = "run" if run.handed_out == 1 else "resume"
                program = sweep.config.get("program")
                command = {"type": kind, "run_id": run.id, "program": program, "args": run.args}
            commands = [command | {"logs": []}]
        agent = {"agent": {"id": v["id"]}, "commands": json.dumps(commands)}
        return {"agentHeartbeat": agent}

    def ended(self, run, state):
        run.state = state
        if run.preempting and state != "finished":
            run.state, run.preempting = "preempted", False
            if run.sweep:
                self.sweeps[run.sweep].again.append(run)

    # ------------------------------------------------------------ runs

    def upsert_bucket(self, v):
        new = v["name"] not in self.runs_by_id
        run = self.runs_by_id.setdefault(v["name"], Run(v["name"], v["project"]))
        run.display_name = v.get("displayName") or run.display_name
        run.group = v.get("groupName") or run.group
        run.tags = v.get("tags") or run.tags
        run.sweep = v.get("sweep") or run.sweep
        run.raw |= json.loads(v.get("config") or "{}")
        run.state = "running" if run.state in ("pending", "preempted") else run.state
        return {"upsertBucket": {"bucket": self.node_of(run), "inserted": new}}

    def stream(self, name, body):
        run = self.runs_by_id[name]
        for file, chunk in (body.get("files") or {}).items():
            if file == "wandb-history.jsonl":
                run.lines |= dict(enumerate(chunk["content"], chunk["offset"]))
            elif file == "wandb-summary.json":
                run.summary = json.loads(chunk["content"][-1])
        run.preempting = run.preempting or bool(body.get("preempting"))
        if body.get("complete"):
            run.exitcode = body["exitcode"]
            self.ended(run, "failed" if run.exitcode else "finished")
        else:
            run.state = "running"
        return {"exitcode": run.exitcode, "limits": {}, "stopped": False}

    def create_files(self, v):
        base = f"{self.url}/storage/{v['run']}/"
        files = [{"name": name, "uploadUrl": base + name} for name in v["files"]]
        return {"createRunFiles": {"runID": v["run"], "uploadHeaders": [], "files": files}}

    def read_runs(self, v):
        filters = json.loads(v.get("filters") or "{}")
        runs = [r for r in self.runs() if filters.get("sweep") in (None, r.sweep)]
        return {"project": self.project(v["project"]) | {"runs": edges(map(self.node_of, runs))}}

    # ------------------------------------------------------------ views

    def upsert_view(self, v):
        name = v.get("id") or b64encode(b"View:%d" % next(self.ids)).decode().rstrip("=")
        view = {"id": name, "project": self.project(v["projectName"]), "createdAt": STAMP}
        view |= self.views.get(name, {}) | {k: x for k, x in v.items() if k != "id"}
        self.views[name] = view | {"updatedAt": STAMP, "user": WHO}
        return {"upsertView": {"view": self.views[name], "inserted": not v.get("id")}}

    def create_chart(self, v):
        name = f"{v['entity']}/{v['chartName']}"
        if name in self.charts:
            raise ValueError(f"chart {name} already exists")
        self.charts[name] = v
        return {"createCustomChart": {"chart": {"id": name}}}

    def all_views(self, v):
        kind, name = v.get("viewType", "runs"), v.get("viewName")
        views = [x for x in self.views.values() if x["type"] == kind and name in (None, x["name"])]
        project = self.project(v.get("project") or v["name"])
        return {"project": project | {"allViews": edges(views)}}

    # ------------------------------------------------------------ nodes

    def project(self, name):
        own = {"id": name, "internalId": name, "name": name, "entityName": "ent"}
        return own | {
            "entity": {"id": "1", "name": "ent"},
            "runCount": len(self.runs_by_id),
            **FIXED,
        }

    def node_of(self, item):
        node = {"id": item.id, "name": item.id, "project": self.project(item.project), **FIXED}
        if isinstance(item, Sweep):
            state = "RUNNING" if item.todo else "FINISHED"
            config = {"config": yaml.safe_dump(item.config), "method": item.config["method"]}
            return node | config | {"state": state, "runs": edges([]), "displayName": None}
        return node | {
            **{"displayName": item.display_name, "sweepName": item.sweep, "group": item.group},
            **{"state": item.state, "tags": item.tags, "config": json.dumps(item.raw)},
            **{"summaryMetrics": json.dumps(item.summary), "historyLineCount": len(item.lines)},
            **{"eventsLineCount": 0, "logLineCount": 0, "eventsTail": "[]", "projectId": "1"},
            "historyTail": json.dumps([item.lines[i] for i in sorted(item.lines)[-1:]]),
            **{"wandbConfig": json.dumps({"t": 1}), "systemMetrics": "{}", "resumeTag": None},
        }


FIXED = {"createdAt": STAMP, "updatedAt": STAMP, "heartbeatAt": STAMP, "readOnly": False}
FIXED |= {
    "isBenchmark": False,
    "description": None,
    "notes": None,
    "commit": None,
    "jobType": None,
    "user": WHO,
}


def edges(nodes):
    listed = [{"node": node, "cursor": str(i)} for i, node in enumerate(nodes)]
    return {"edges": listed, "pageInfo": {"endCursor": None, "hasNextPage": False}}


ANSWERS = {
    "Viewer": lambda s, v: {"viewer": WHO},
    "GetDefaultEntity": lambda s, v: {"viewer": WHO},
    "ServerFeaturesQuery": lambda s, v: {"serverInfo": {"features": []}},
    "OrganizationCoreWeaveOrganizationID": lambda s, v: {"entity": {"organization": None}},
    "UpsertSweep": WandbServer.upsert_sweep,
    "SweepWithRuns": lambda s, v: {"project": {"sweep": s.node_of(s.sweeps[v["sweep"]])}},
    "GetSweep": lambda s, v: {
        "project": {"sweep": s.node_of(s.sweeps[v["name"]]) if v["name"] in s.sweeps else None}
    },
    "CreateAgent": WandbServer.create_agent,
    "Heartbeat": WandbServer.heartbeat,
    "RunResumeStatus": lambda s, v: {
        "model": s.project(v["project"])
        | {"bucket": s.node_of(s.runs_by_id[v["name"]]) if v["name"] in s.runs_by_id else None}
    },
    "UpsertBucket": WandbServer.upsert_bucket,
    "CreateRunFiles": WandbServer.create_files,
    "Runs": WandbServer.read_runs,
    "UpsertView2": WandbServer.upsert_view,
    "upsertView": WandbServer.upsert_view,
    "View": WandbServer.all_views,
    "ProjectViews": WandbServer.all_views,
    "GetProjects": lambda s, v: {"models": edges([s.project("proj")])},
    "ProjectInternalId": lambda s, v: {"project": s.project(v["projectName"])},
    "CreateCustomChart": WandbServer.create_chart,
    "SpecificReport": lambda s, v: {"view": s.views[v["reportId"].rstrip("=")]},
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the client has ended
            self.owner.unknown.append(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        request = json.loads(body) if path == "/graphql" else {}
        query = request.get("query") or ""
        match = re.search(r"(?:query|mutation)\s+(\w+)", query)
        operation = request.get("operationName") or (match[1] if match else "")
        line = f"{self.command} {path} {operation}"
        with self.owner.lock:
            if not path.startswith("/sdk/"):
                self.owner.requests.append(line)
            fault = next((fault for fault in self.owner.faults if fault[0] in line), None)
            if fault:
                self.owner.faults.remove(fault)
        if fault:
            return self.misbehave(fault[1])
        with self.owner.lock:
            if path == "/graphql":
                answer = ANSWERS.get(operation)
                if answer is None:
                    self.owner.unknown.append(line)
                    return self.reply({"errors": [{"message": f"{operation}?"}]})
                try:
                    return self.reply({"data": answer(self.owner, request.get("variables") or {})})
                except ValueError as error:
                    return self.reply({"errors": [{"message": str(error)}]})
            if path.endswith("/file_stream"):
                return self.reply(self.owner.stream(path.split("/")[-2], json.loads(body)))
            if path.startswith("/storage/"):
                _, _, run, name = path.split("/", 3)
                self.owner.runs_by_id[run].files[name] = body
            elif not path.startswith("/sdk/") and path != "/":
                self.owner.unknown.append(line)
            return self.reply({})

    def do_GET(self):
        self.do_POST()

    def do_PUT(self):
        self.do_POST()

    def reply(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "3600")
        if 300 <= status < 400:
            self.send_header("Location", self.owner.redirection)
        self.end_headers()
        self.wfile.write(body)

    def misbehave(self, fault):
        if isinstance(fault, int):
            return self.reply({}, fault)
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        if fault == NOT_JSON:
            return self.wfile.write(b"<html>Please log in</html>")
        with suppress(OSError):
            while True:
                self.wfile.write(b" ")
                time.sleep(0.2)
