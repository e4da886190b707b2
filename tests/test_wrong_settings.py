"""Settings that no night could run: each is refused where the file is read, by line, before anything is touched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.errors import ConfigError
from tasks.core.files import hash_tree
from tasks.core.layout import Workspace
from tasks.night.key import prepare_night

REPOSITORY = Path(__file__).resolve().parents[1]
SHIPPED = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")

MINE = """\
  mine:
    kind: table
    path: datasets/mine
    impressions: {files: "*.csv", columns: {user_id: uid, video_id: vid}}
"""
"""A source of one's own, to be laid below `sources`."""


def instead(old: str, new: str) -> str:
    """Return the shipped file with one piece of it replaced."""
    assert SHIPPED.count(old) == 1, old
    return SHIPPED.replace(old, new)


def below(block: str, *lines: str) -> str:
    """Return the shipped file with lines added below one of its blocks, or with the block itself where it has none."""
    head = f"\n{block}:\n"
    if head not in SHIPPED:
        return SHIPPED + f"{block}:\n" + "".join(f"{line}\n" for line in lines)
    return instead(head, head + "".join(f"{line}\n" for line in lines))


def mine(old: str = "", new: str = "") -> str:
    return below("sources", MINE.replace(old, new) if old else MINE)


# name -> the file, text of the line that is named, what is said of it
SETTINGS: dict[str, tuple[str, str, str]] = {
    # keys
    "misspelt block": (SHIPPED + "trainin: {}\n", "trainin:", "trainin: unknown key 'trainin'; did you mean 'training'?"),
    "misspelt key": (below("gate", "  trre: 1"), "trre", "gate.trre: unknown key 'trre'; did you mean 'tre'?"),
    "key of another kind": (below("sources", "  k: {kind: kuairec, variant: pure}"), "  k: {", "sources.k.variant: unknown key 'variant'"),
    "misspelt key of a source": (instead("    seed: 2026", "    sead: 2026"), "sead", "sources.simulator.sead: unknown key 'sead'; did you mean 'seed'?"),
    "misspelt key of a part": (instead("kind: packed, embedding_dim: 16, history: {kind: pooled}", "kind: packed, embeding_dim: 16"), "embeding_dim", "recipes.wlr_mmoe.encoder.embeding_dim: unknown key 'embeding_dim'; did you mean 'embedding_dim'?"),
    "misspelt key of a gate": (below("recipes", "  k: {backbone: {kind: epnet, domaine: scene}}"), "domaine", "recipes.k.backbone.domaine: unknown key 'domaine'; did you mean 'domain'?"),
    "misspelt key of gates": (below("recipes", "  k: {trunk: {kind: ppnet, prior: [user_id]}}"), "prior:", "recipes.k.trunk.prior: unknown key 'prior'; did you mean 'priors'?"),
    "side of a gate": (below("recipes", "  k: {trunk: {kind: ppnet, gate: both}}"), "both", "recipes.k.trunk.gate: "),
    "misspelt key of a history": (below("recipes", "  k: {encoder: {kind: packed, history: {kind: bst, blocks: 2}}}"), "blocks", "recipes.k.encoder.history.blocks: unknown key 'blocks'"),
    "heads of a history": (below("recipes", "  k: {encoder: {kind: packed, history: {kind: hstu, num_heads: 3}}}"), "hstu", "width is 32, which 3 heads do not divide"),
    "heads of a backbone": (below("recipes", "  k: {backbone: {kind: onetrans, width: 30}}"), "onetrans", "width is 30, which 4 heads do not divide"),
    "domain set apart": (below("recipes", "  k: {backbone: {kind: epnet}, set_apart: [scene]}"), "epnet", "backbone 'epnet' reads scene, which set_apart keeps from it"),
    "key twice": (below("gate", "  minimum_rows: 7"), "minimum_rows: 5000", "gate.minimum_rows: stands twice, first in line"),
    "block twice": (SHIPPED + "gate: {}\n", "gate: {}", "gate: stands twice"),
    "recipe twice": (below("recipes", "  ple: {}"), "ple: # two", "recipes.ple: stands twice"),
    "key that is a number": (below("recipes", "  2026: {}"), "2026: {}", 'recipes.2026: a key has to be text: write "2026"'),
    "key that is a truth value": (below("recipes", "  yes: {}"), "yes:", 'recipes.yes: a key has to be text: write "yes"'),
    "no kind": (below("sources", "  k: {path: x}"), "k: {path", "sources.k.kind: missing; add the key"),
    "unknown kind": (below("sources", "  k: {kind: kuairek}"), "kuairek", "sources.k: unknown kind 'kuairek'; did you mean 'kuairec'?"),
    "missing key": (mine("    path: datasets/mine\n"), "mine:", "sources.mine.path: missing; add the key"),
    "missing block": (instead("\nnightly:\n", "\nnight:\n"), "default_source", "nightly: missing; add the key"),
    # types
    "text for a number": (below("window", "  fit_days: six").replace("  fit_days: 6 #", "  #"), "six", "window.fit_days: Input should be a valid integer"),
    "quoted number": (instead("max_epochs: 12", 'max_epochs: "3"'), 'max_epochs: "3"', "training.max_epochs: Input should be a valid integer (got '3')"),
    "truth value for a number": (instead("  threads: 1 #", "  threads: yes #"), "threads: yes", "training.threads: Input should be a valid integer (got True)"),
    "window that no run looks back on": (instead("lookback_days: 7", "lookback_days: 3"), "lookback_days: 3", "window.lookback_days: features.groups.user.windows: 7 days is longer than the lookback of 3 days"),
    "codes of content that features leave out": (below("table", "  items: {kind: rq}"), "items: {kind: rq}", "table.items: reads the content of videos, which features leave out: set features.content: true"),
    "distances of content that features leave out": (instead("  popularity: {kind: popularity}\n", "  popularity: {kind: popularity}\n  k: {kind: metric}\n"), "kind: metric", "proposers.k: reads the content of videos, which features leave out"),
    "slots of content that features leave out": (instead("  popularity: {kind: popularity}\n", "  popularity: {kind: popularity}\n  k: {kind: setrec}\n"), "kind: setrec", "proposers.k: reads the content of videos, which features leave out"),
    "neighbours by content that features leave out": (below("recipes", "  k: {pretraining: {kind: gacn}}"), "kind: gacn", "recipes.k.pretraining: reads the content of videos, which features leave out"),
    "vectors of content that features leave out": (below("recipes", "  k: {pretraining: {kind: metric}}"), "kind: metric", "recipes.k.pretraining: reads the content of videos, which features leave out"),
    "teacher that reads content that features leave out": (below("recipes", "  k: {pretraining: {kind: distilled, teacher: {kind: metric}}}"), "kind: metric", "recipes.k.pretraining.teacher: reads the content of videos, which features leave out"),
    "rich users without a row to spare": (below("recipes", "  k: {pretraining: {kind: distilled, rich: 5}}"), "rich: 5", "rich 5 must be above sparse 5"),
    "vectors of what is set apart": (below("recipes", "  k: {pretraining: {kind: lightgcn}, set_apart: [user_id]}"), "set_apart: [user_id]", "pretraining learns vectors of user_id, which set_apart keeps from the tasks"),
    "misspelt label of a watch": (below("recipes", "  k: {pretraining: {kind: directau, watched: longview}}"), "longview", "pretraining.watched 'longview' is no binary label: choose among click, "),
    "codes of an unknown scheme": (below("table", "  items: {kind: rqq}"), "rqq", "table.items: unknown kind 'rqq'"),
    "fraction of a day": (instead("lookback_days: 7", "lookback_days: 7.5"), "7.5", "window.lookback_days: Input should be a valid integer"),
    "number for text": (instead("title: dwell", "title: 2026"), "title: 2026", 'report.title: 2026 is no text to YAML: write it in quotes, "2026"'),
    "truth value for text": (instead("title: dwell", "title: no"), "title: no", "report.title: False is no text to YAML"),
    "date for text": (instead("title: dwell", "title: 2026-01-01"), "title: 2026", 'report.title: 2026-01-01 without quotes is a date that DVC cannot read: write "2026-01-01"'),
    "date without quotes": (instead('"2026-01-01"', "2026-01-01"), "start_day", "sources.simulator.start_day: 2026-01-01 without quotes is a date"),
    "text for a date": (instead('"2026-01-01"', "new year"), "start_day", "sources.simulator.start_day: "),
    "number for a date": (instead('"2026-01-01"', "0"), "start_day", "sources.simulator.start_day: a day is written"),
    "day of the year 1": (instead('"2026-01-01"', '"0001-01-01"'), "start_day", "sources.simulator.start_day: Input should be greater than or equal to"),
    "list for one": (instead("title: dwell", "title: [a, b]"), "title", "report.title: Input should be a valid string"),
    "one for a list": (instead("recipes: [four_heads, trees] #", "recipes: d2q #"), "recipes: d2q", "nightly.recipes: Input should be a valid tuple"),
    "text for a block": (instead("table:\n  min_count: 2\n  duration_buckets: 30\n", "table: small\n"), "table: small", "table: Input should be a valid dictionary"),
    "recipe without a body": (below("recipes", "  empty: 3"), "empty", "recipes.empty: Input should be a valid dictionary"),
    # numbers
    "endless threshold": (below("gate", "  tre: .inf"), ".inf", "gate.tre: Input should be a finite number (got inf)"),
    "threshold that is none": (below("gate", "  dce_max: .nan"), ".nan", "gate.dce_max: Input should be a finite number (got nan)"),
    "number beyond floats": (below("gate", "  tre: 1e999"), "1e999", "gate.tre: Input should be a finite number (got inf)"),
    "too many threads": (instead("  threads: 1 #", "  threads: 1000000 #"), "1000000", "training.threads: Input should be less than or equal to 256"),
    "processes for one": (instead("  threads: 1 #", "  processes: 2\n  threads: 1 #").replace("recipes: [four_heads, trees] #", "recipes: [four_heads, trees, d2q_ips] #"), "processes: 2", "training.processes: recipe 'd2q_ips' cannot be fitted by 2 processes: objective 'ips' need(s) all rows of a batch in one"),
    "selected rows without weights": (below("table", "  selection: {kind: rare}").replace("recipes: [four_heads, trees] #", "recipes: [four_heads, trees, d2q_ips, mine] #").replace("\nrecipes:\n", "\nrecipes:\n  mine: {trunk: {kind: home}, ranking: {kind: pairs}}\n"), "selection: {kind: rare}", "table.selection: recipe 'mine' cannot learn from the rows that table.selection keeps: ranking 'pairs', trunk 'home' know(s) no weights of rows"),
    "share below the least probability": (below("table", "  selection: {kind: search, share: 0.01}"), "share: 0.01", "table.selection: share 0.01 cannot be reached, since no probability is below least 0.05: lower least"),
    "bound of a selection that has none": (below("table", "  selection: {kind: uniform, least: 0.1}"), "least", "table.selection.least: unknown key 'least'"),
    "layer without neurons": (instead("hidden: [64, 32]", "hidden: [0]"), "hidden: [0]", "recipes.ple.trunk.hidden.0: Input should be greater than or equal to 1 (got 0)"),
    "layers without end": (instead("hidden: [64, 32]", "hidden: [1000000000]"), "1000000000", "recipes.ple.trunk.hidden.0: Input should be less than or equal to 8192"),
    "fit window of an age": (instead("fit_days: 6", "fit_days: 1000000000"), "1000000000", "window.fit_days: Input should be less than or equal to 366"),
    "replicates without end": (instead("replicates: 1000\n", "replicates: 1000000000000\n"), "replicates", "evaluation.replicates: Input should be less than or equal to"),
    "batch of one": (instead("batch_size: 1024", "batch_size: 1"), "batch_size", "training.batch_size: Input should be greater than or equal to 2"),
    "batch without end": (instead("batch_size: 1024", "batch_size: 99999999999"), "batch_size", "training.batch_size: Input should be less than or equal to"),
    "negative seed": (instead("seeds: [0, 1, 2]", "seeds: [0, -1]"), "seeds", "training.seeds.1: Input should be greater than or equal to 0"),
    "seed twice": (instead("seeds: [0, 1, 2]", "seeds: [1, 1]"), "seeds", "training.seeds: seeds must be distinct"),
    "no step size": (instead("learning_rate: 0.0003", "learning_rate: 0"), "learning_rate: 0 #", "training.learning_rate: Input should be greater than 0"),
    "share beyond one": (instead("max_quarantined_share: 0.2", "max_quarantined_share: 20"), "share: 20", "validation.tables.max_quarantined_share: Input should be less than or equal to 1"),
    "limits in the wrong order": (below("validation", "  x: 1").replace("  x: 1\n", "").replace("    min_rows: 1000\n", "    min_rows: 1000\n    drift: {warn: 1, stop: 0.5}\n"), "drift", "validation.tables.drift: stop must not be below warn"),
    "no time at all": (instead("stage_timeout_minutes: 120", "stage_timeout_minutes: 0"), "stage_timeout", "nightly.stage_timeout_minutes: Input should be greater than 0"),
    "half a cluster": (instead("cluster: {kind: none}", "cluster: {kind: local, workers: 0}"), "workers: 0", "cluster.workers: Input should be greater than or equal to 1"),
    # names
    "shell text": (below("recipes", '  "x;touch PWNED": {}'), "PWNED", "recipes.x;touch PWNED: name 'x;touch PWNED': use up to 64 letters"),
    "way out of the workspace": (below("sources", '  "../../../escape": {kind: simulator}'), "escape", "sources.../../../escape: name '../../../escape': use up to 64 letters"),
    "dot": (below("sources", "  my.log: {kind: simulator}"), "my.log", "sources.my.log: name 'my.log': use up to 64 letters"),
    "blank": (below("recipes", "  my recipe: {}"), "my recipe", "recipes.my recipe: name 'my recipe': use up to"),
    "line break": (below("recipes", '  "a\\nb": {}'), 'a\\nb', r"recipes.'a\nb': name 'a\nb': use up to 64 letters"),
    "DVC's own syntax": (below("recipes", '  "${x}": {}'), "${x}", "recipes.${x}: name '${x}': use up to 64 letters"),
    "option": (below("recipes", "  --force: {}"), "--force", "recipes.--force: name '--force': use up to 64 letters"),
    "too long": (below("recipes", f"  {'a' * 65}: {{}}"), "a" * 65, "use up to 64 letters"),
    "read as a number": (below("recipes", "  0o17: {}"), "0o17", "recipes.0o17: name '0o17' can be read as a number: put a letter first"),
    "champion": (below("recipes", "  champion: {}"), "champion: {}", "recipes.champion: name 'champion' is taken by dwell itself"),
    "baselines": (below("recipes", "  baselines: {}"), "baselines: {}", "recipes.baselines: name 'baselines' is taken by dwell itself"),
    "a baseline": (below("recipes", "  lightgbm: {}"), "lightgbm: {}", "recipes.lightgbm: a baseline has that name too"),
    "recipe and ensemble": (below("recipes", "  blend: {}"), "blend: {members", "ensembles.blend: a recipe has that name too"),
    "unknown recipe": (instead("recipes: [four_heads, trees] #", "recipes: [four_heads, tree] #"), "[four_heads, tree]", "nightly.recipes: unknown recipe 'tree'; did you mean"),
    "recipe named twice": (instead("recipes: [four_heads, trees] #", "recipes: [trees, trees] #"), "[trees, trees]", "nightly.recipes: 'trees' stands twice: keep one"),
    "unknown source": (instead("default_source: simulator", "default_source: simulater"), "default_source", "default_source: unknown source 'simulater'; did you mean 'simulator'?"),
    "unknown baseline": (instead("item_user_effects, lightgbm]", "item_user_effects, lightgbn]"), "lightgbn", "baselines.enabled.3: Input should be 'constant', 'duration_table', 'item_user_effects' or 'lightgbm'"),
    "unknown label": (below("evaluation", "  relevance: [long_veiw]"), "long_veiw", "evaluation.relevance.0: Input should be 'skip'"),
    "unknown segment": (below("report", "  segments: [city]"), "[city]", "report.segments.0: Input should be 'duration_decile'"),
    "override of no recipe": (instead("  threads: 1 #", "  by_recipe: {d2k: {}}\n  threads: 1 #"), "d2k", "training.by_recipe: unknown recipe 'd2k'; did you mean 'd2q'?"),
    "group of features": (instead("features:\n", 'features:\n  groups: {"<script>": {keys: [tag]}}\n'), "<script>", "features.groups.<script>: name '<script>': use up to 64 letters"),
    # places
    "source in a folder of dwell": (mine("datasets/mine", "data/raw"), "data/raw", "sources.mine.path: 'data/raw' lies in data/, which dwell writes itself"),
    "source by a detour": (mine("datasets/mine", "datasets/../registry"), "registry", "sources.mine.path: 'datasets/../registry' lies in registry/"),
    "source around the workspace": (mine("datasets/mine", '".."'), '".."', "sources.mine.path: '..' is the workspace or holds it"),
    "source that is the workspace": (mine("datasets/mine", '""'), 'path: ""', "sources.mine.path: '.' is the workspace or holds it"),
    "path with a NUL": (mine("datasets/mine", '"a\\0b"'), "a\\0b", r"sources.mine.path: 'a\x00b' holds characters that cannot be printed"),
    "secret in an address": (instead("cluster: {kind: none}", "cluster: {kind: address, address: 'tcp://u:pw@s:1'}"), "tcp://u", "cluster.address: holds a user or a password: credentials come from the environment"),
    "store of one process": (instead("cluster: {kind: none}", "cluster: {kind: address, address: 'tcp://s:1', storage: 'memory://x'}"), "memory:", "cluster.storage: memory:// cannot hold what several machines write"),
    "address": (instead("cluster: {kind: none}", "cluster: {kind: address, address: scheduler}"), "scheduler}", "cluster.address: String should match pattern"),
    "time zone": (mine("    path:", "    timezone: Asia/Peking\n    path:"), "Peking", "sources.mine.timezone: unknown time zone 'Asia/Peking'"),
    "column of no contract": (mine("user_id: uid", "user: uid"), "user: uid", "sources.mine.impressions.columns: the contract has no column 'user'"),
    "pattern of columns": (mine("video_id: vid", 'video_id: "^.*$"'), "^.*$", "sources.mine.impressions.columns.video_id: '^.*$' would name several columns"),
    "all columns": (below("sources", MINE, '    users: {files: "u.csv", categoricals: [city, "*"], columns: {user_id: uid}}'), "city", "sources.mine.users.categoricals.1: '*' would name several columns"),
    # YAML
    "tab": (instead("  fit_days: 6", "\tfit_days: 6"), "\tfit_days", "not valid YAML: while scanning for the next token found character that cannot start any token; the line begins with a tab"),
    "open bracket": (instead("seeds: [0, 1, 2]", "seeds: [0, 1, 2"), "max_epochs: 12", "not valid YAML: while parsing a flow sequence"),
    "merge marker": (instead("\nwindow:\n", "\n<<<<<<< HEAD\nwindow:\n"), "<<<<<<<", "a merge marker of git (<<<<<<<): settle the merge first"),
    "object of Python": (instead("title: dwell", "title: !!python/object/apply:os.system [id]"), "os.system", "not valid YAML: could not determine a constructor"),
    "unknown anchor": (instead("title: dwell", "title: *nothing"), "*nothing", "not valid YAML: found undefined alias"),
    "anchor that holds itself": (SHIPPED + "tuning: &a {space: *a}\n", "tuning: &a", "anchors and aliases expand to more than"),
    "anchors that explode": (SHIPPED + "tuning:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)), "a0: &a0", "anchors and aliases expand to more than"),
    "nested without end": (SHIPPED + "tuning: " + "[" * 50_000 + "\n", "tuning:", "nested deeper than 40 levels"),
    "two documents": (SHIPPED + "---\nwindow: {}\n", "---\n", "not valid YAML: expected a single document"),
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace in which a night was run."""
    for name in ("run.yaml", "registry/simulator/ledger.jsonl", "artifacts/models/recipes/old/manifest.json"):
        (tmp_path / "workspace" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "workspace" / name).write_text("as before")
    return Workspace(tmp_path / "workspace")


def refused(workspace: Workspace, write: Callable[[Path], object]) -> str:
    """Prepare a night; return what is said, and see that nothing but the file has changed."""
    write(workspace.params)
    before = hash_tree(workspace.root.parent)
    with pytest.raises(ConfigError) as caught:
        prepare_night(workspace)
    assert hash_tree(workspace.root.parent) == before
    return str(caught.value)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_setting_is_named_by_its_line_and_nothing_is_touched(workspace: Workspace, name: str) -> None:
    text, marker, message = SETTINGS[name]
    lines = [number for number, line in enumerate(text.splitlines(keepends=True), start=1) if marker in line]
    assert len(lines) == 1, f"{marker!r} stands in lines {lines}"
    said = refused(workspace, lambda path: path.write_text(text, encoding="utf-8"))
    assert any(line.startswith(f"params.yaml:{lines[0]}: ") and message in line for line in said.splitlines()), said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SHIPPED.encode("utf-16"), "is written in UTF-16: save it as UTF-8"),
        (SHIPPED.replace("title: dwell", "title: Z\xfcrich").encode("latin-1"), "params.yaml:161: the byte 0xfc is no UTF-8"),
        (SHIPPED.replace("title: dwell", "title: 每日").encode("gbk"), "params.yaml:161: the byte 0xc8 is no UTF-8"),
        (SHIPPED.replace("dwell\n", "a\0b\n").encode(), "params.yaml"),
        (b"#" * (1 << 20) + b"\n#", "is larger than 1048576 bytes"),
        (b"", "must hold a mapping of keys, got nothing"),
        (b"- a\n", "must hold a mapping of keys, got a list"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(workspace: Workspace, content: bytes, message: str) -> None:
    assert message in refused(workspace, lambda path: path.write_bytes(content))


def test_a_folder_and_a_missing_file_are_named(workspace: Workspace) -> None:
    assert "does not exist: run dwell in the project's root folder" in refused(workspace, lambda _: None)
    assert "is a folder; it has to be a file" in refused(workspace, lambda path: path.mkdir())


def test_all_that_is_wrong_is_said_at_once_by_line(workspace: Workspace) -> None:
    text = instead("fit_days: 6", "fit_days: 1").replace("{kind: wlr}", "{kind: wlr, scale_s: 0}")
    text = text.replace("[four_heads, trees] #", "[four_heads, tree] #").replace("title: dwell", "titel: dwell")
    said = refused(workspace, lambda path: path.write_text(text, encoding="utf-8")).splitlines()
    keys = [line.split(": ")[1] for line in said]
    assert keys == ["window.fit_days", "nightly.recipes", "recipes.wlr_mmoe.head.scale_s", "report.titel"]
    numbers = [int(line.split(":")[1]) for line in said]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    "text",
    [
        SHIPPED,
        "\ufeff" + SHIPPED,
        SHIPPED.replace("\n", "\r\n"),
        instead("learning_rate: 0.0003", "learning_rate: 3e-4"),
        instead("  ple: #", "  ple: &ple #").replace(
            "\nensembles:", "  wider: {<<: *ple, tower: {hidden: [8]}}\n\nensembles:"
        ),
    ],
)
def test_what_is_right_is_read(tmp_path: Path, text: str) -> None:
    from tasks.config import load_params

    (tmp_path / "params.yaml").write_text(text, encoding="utf-8", newline="")
    params = load_params(tmp_path / "params.yaml")
    assert params.training.learning_rate == 3e-4
