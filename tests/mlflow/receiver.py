"""What dwell asks of an MLflow server, answered on loopback as MLflow 3 answers it; the tests hold both to the same."""

import base64
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD = "admin", "a long password"
TOKEN = "t0ken"
Json = dict[str, Any]


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class Receiver:
    """Experiments, runs, model versions and aliases.

    Attributes:
        writes: paths of the requests that changed something.
        ends_after: how many of these it takes before it answers 500; None: all.
        says: body that it answers everything with; None: what was asked for.
    """

    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, Json] = {}
        self.models: dict[str, Json] = {}
        self.writes: list[str] = []
        self.ends_after: int | None = None
        self.says: bytes | None = None

    def answer(self, method: str, path: str, given: Json) -> Json:
        is_write = method != "GET" and path != "runs/search"
        if is_write and self.ends_after is not None and len(self.writes) >= self.ends_after:
            raise Refused(500, "INTERNAL_ERROR")
        if is_write:
            self.writes.append(path)
        name = re.sub(r"\W", "_", f"{method.lower()}_{path}")
        found: Json = getattr(self, f"_{name}")(**given)
        return found

    def _get_experiments_get_by_name(self, experiment_name: str) -> Json:
        if experiment_name not in self.experiments:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST")
        return {"experiment": {"experiment_id": self.experiments[experiment_name], "lifecycle_stage": "active"}}

    def _post_experiments_create(self, name: str) -> Json:
        return {"experiment_id": self.experiments.setdefault(name, str(len(self.experiments) + 1))}

    def _post_runs_search(self, experiment_ids: list[str], filter: str, max_results: int, page_token: str = "") -> Json:
        (tag, value) = re.fullmatch(r"tags\.`(.+)` = '(.+)'", filter).groups()
        found = [run for run in self.runs.values() if run["info"]["experiment_id"] in experiment_ids]
        found = [run for run in found if run["tags"].get(tag) == value]
        start = int(page_token or 0)
        page = {"runs": [self._shown(run) for run in found[start : start + 1]]}  # one a page, so that all are asked for
        return page | ({"next_page_token": str(start + 1)} if start + 1 < len(found) else {})

    def _post_runs_create(self, experiment_id: str, run_name: str, start_time: int, tags: list[Json]) -> Json:
        identity = f"run{len(self.runs)}"
        info = {"run_id": identity, "run_name": run_name, "experiment_id": experiment_id, "status": "RUNNING"}
        self.runs[identity] = {
            "info": info | {"start_time": start_time},
            "tags": _values(tags),
            "params": {},
            "metrics": {},
        }
        return {"run": self._shown(self.runs[identity])}

    def _post_runs_log_batch(
        self,
        run_id: str,
        metrics: Sequence[Json] = (),
        params: Sequence[Json] = (),
        tags: Sequence[Json] = (),
    ) -> Json:
        run = self.runs[run_id]
        for name, value in _values(params).items():
            if run["params"].setdefault(name, value) != value:
                raise Refused(400, "INVALID_PARAMETER_VALUE")
        run["tags"] |= _values(tags)
        run["metrics"] |= {one["key"]: one for one in metrics}
        return {}

    def _post_runs_set_tag(self, run_id: str, key: str, value: str) -> Json:
        self.runs[run_id]["tags"][key] = value
        return {}

    def _post_runs_delete_tag(self, run_id: str, key: str) -> Json:
        del self.runs[run_id]["tags"][key]
        return {}

    def _post_runs_update(self, run_id: str, status: str, end_time: int) -> Json:
        self.runs[run_id]["info"] |= {"status": status, "end_time": end_time}
        return {}

    def _get_registered_models_get(self, name: str) -> Json:
        if name not in self.models:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST")
        aliases = [{"alias": alias, "version": number} for alias, number in self.models[name]["aliases"].items()]
        return {"registered_model": {"name": name, **({"aliases": aliases} if aliases else {})}}

    def _post_registered_models_create(self, name: str) -> Json:
        self.models[name] = {"versions": [], "aliases": {}}
        return self._get_registered_models_get(name)

    def _get_model_versions_search(self, filter: str, max_results: str, page_token: str = "") -> Json:
        found = self.models[filter.removeprefix("name='").removesuffix("'")]["versions"]
        start = int(page_token or 0)
        return {
            "model_versions": found[start : start + 2],
            "next_page_token": str(start + 2) if found[start + 2 :] else "",
        }

    def _post_model_versions_create(self, name: str, **given: Any) -> Json:
        versions = self.models[name]["versions"]
        versions.append({"name": name, "version": str(len(versions) + 1), **given})
        return {"model_version": versions[-1]}

    def _post_registered_models_alias(self, name: str, alias: str, version: str) -> Json:
        self.models[name]["aliases"][alias] = version
        return {}

    def _delete_registered_models_alias(self, name: str, alias: str) -> Json:
        del self.models[name]["aliases"][alias]
        return {}

    @staticmethod
    def _shown(run: Json) -> Json:
        tags, params = _pairs(run["tags"]), _pairs(run["params"])
        return {"info": run["info"], "data": {"tags": tags, "params": params, "metrics": list(run["metrics"].values())}}


def _values(pairs: Sequence[Json]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in pairs}


def _pairs(values: dict[str, str]) -> list[Json]:
    return [{"key": name, "value": value} for name, value in values.items()]


def credentials() -> tuple[str, str]:
    """Return the headers that are let in."""
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return f"Basic {basic}", f"Bearer {TOKEN}"


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    """Let it listen on loopback; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            address = urlsplit(self.path)
            given = json.loads(body) if body else dict(parse_qsl(address.query))
            try:
                if self.headers.get("Authorization") not in credentials():
                    raise Refused(401, "UNAUTHENTICATED")
                found = receiver.answer(self.command, address.path.removeprefix("/api/2.0/mlflow/"), given)
                status = 200
            except Refused as error:
                status, found = error.status, {"error_code": error.code, "message": "so it is"}
            if receiver.says is not None:
                status = 200
            said = receiver.says or json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
