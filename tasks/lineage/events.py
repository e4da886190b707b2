"""A night as OpenLineage run events: one job per stage and one for the night, each with START and COMPLETE or FAIL.

What is told, and what is not: docs/methods/lineage.md#events.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    OutputDatasetFacet,
    RunFacet,
    column_lineage_dataset,
    dataset_version_dataset,
    documentation_job,
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
    tags_run,
)
from openlineage.client.uuid import generate_static_uuid

from tasks.core.run_key import RunKey
from tasks.core.timings import FAILED, StageSpan
from tasks.lineage.columns import NightColumns
from tasks.lineage.graph import NightGraph
from tasks.lineage.origins import Column, Entry, Lineage, is_direct

_NIGHT = "night"
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class NightRun:
    """One run of a night.

    Attributes:
        key: the night.
        spans: stage -> when it ran, at least one.
        graph: what the stages that ended well read and wrote.
        columns: of tables; those of outputs that `standing` does not have, the workspace cannot tell any more.
        standing: what the workspace holds now.
        descriptions: stage of dvc.yaml -> what it is for.
        failure: why the night came to no decision; None: it did.
    """

    key: RunKey
    spans: Mapping[str, StageSpan]
    graph: NightGraph
    columns: NightColumns
    standing: NightGraph
    descriptions: Mapping[str, str]
    failure: str | None = None

    @property
    def began(self) -> dt.datetime:
        return min(span.began for span in self.spans.values())

    @property
    def ended(self) -> dt.datetime:
        return max(span.ended for span in self.spans.values())


def night_events(run: NightRun, namespace: str) -> list[RunEvent]:
    """Return the events of a night in order of time; the same run gives the same events, ids included.

    Args:
        run: the night.
        namespace: of its jobs and data sets.
    """
    set_producer(f"pkg:generic/dwell@{version('dwell')}")
    return list(_Teller(run, namespace).events())


class _Teller:
    def __init__(self, run: NightRun, namespace: str) -> None:
        self.run, self.namespace = run, namespace

    def events(self) -> Iterator[RunEvent]:
        run = self.run
        stages = [(span.began, 0, stage) for stage, span in run.spans.items()]
        stages += [(span.ended, 1, stage) for stage, span in run.spans.items()]
        yield self._event(_NIGHT, RunState.START, run.began)
        for time, is_end, stage in sorted(stages):
            failed = run.spans[stage].outcome == FAILED
            yield self._event(
                stage, (RunState.FAIL if failed else RunState.COMPLETE) if is_end else RunState.START, time
            )
        yield self._event(_NIGHT, RunState.COMPLETE if run.failure is None else RunState.FAIL, run.ended)

    def _event(self, job: str, state: RunState, time: dt.datetime) -> RunEvent:
        is_whole = state is RunState.COMPLETE
        reads, writes = self._data(job) if is_whole else ([], [])
        return RunEvent(
            eventType=state,
            eventTime=time.isoformat(),
            run=Run(runId=self._run_id(job), facets=self._run_facets(job, state)),
            job=Job(namespace=self.namespace, name=self._job_name(job), facets=self._job_facets(job)),
            inputs=[self._input(data_set) for data_set in reads],
            outputs=[self._output(data_set, with_columns=job != _NIGHT) for data_set in writes],
        )

    def _data(self, job: str) -> tuple[list[str], list[str]]:
        """Return what a job read and wrote: a night, what no stage of it wrote, and all that its stages did."""
        graph = self.run.graph
        if job != _NIGHT:
            return graph.reads(job), graph.writes(job)
        reads = {found for stage in graph.stages for found in graph.reads(stage)}
        writes = {found for stage in graph.stages for found in graph.writes(stage)}
        return sorted(reads - writes), sorted(writes)

    def _job_name(self, job: str) -> str:
        night = f"{self.run.key.source}.{_NIGHT}"
        return night if job == _NIGHT else f"{night}.{job}"

    def _run_id(self, job: str) -> str:
        began = self.run.began if job == _NIGHT else self.run.spans[job].began
        return str(generate_static_uuid(began, f"{self.run.key.as_of}/{self._job_name(job)}".encode()))

    def _run_facets(self, job: str, state: RunState) -> dict[str, RunFacet]:
        night = dt.datetime.combine(self.run.key.as_of, dt.time(), dt.UTC)
        facets: dict[str, RunFacet] = {
            "nominalTime": nominal_time_run.NominalTimeRunFacet(
                nominalStartTime=night.isoformat(), nominalEndTime=(night + _DAY).isoformat()
            )
        }
        if job != _NIGHT:
            facets["parent"] = parent_run.ParentRunFacet(
                run=parent_run.Run(runId=self._run_id(_NIGHT)),
                job=parent_run.Job(namespace=self.namespace, name=self._job_name(_NIGHT)),
            )
        if job != _NIGHT and state is not RunState.START:
            outcome = tags_run.TagsRunFacetFields(key="outcome", value=self.run.spans[job].outcome, source="DVC")
            facets["tags"] = tags_run.TagsRunFacet(tags=[outcome])
        if state is RunState.FAIL and self.run.failure is not None:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(self.run.failure, "PYTHON")
        return facets

    def _job_facets(self, job: str) -> dict[str, JobFacet]:
        kind = "NIGHT" if job == _NIGHT else "STAGE"
        facets: dict[str, JobFacet] = {"jobType": job_type_job.JobTypeJobFacet("BATCH", "DWELL", kind)}
        if described := self.run.descriptions.get(job.partition("@")[0]):
            facets["documentation"] = documentation_job.DocumentationJobFacet(described)
        return facets

    def _input(self, data_set: str) -> InputDataset:
        return InputDataset(*self._name(data_set), facets=self._version(data_set))

    def _output(self, data_set: str, with_columns: bool) -> OutputDataset:
        facets = self._version(data_set)
        columns = self.run.columns if with_columns and self._stands(data_set) else None
        if columns is not None and (schema := columns.schema(data_set)):
            facets["schema"] = _schema(schema, columns.meanings(data_set))
        if columns is not None and (lineage := columns.lineage(data_set)):
            facets["columnLineage"] = self._column_lineage(lineage)
        return OutputDataset(*self._name(data_set), facets=facets, outputFacets=self._statistics(data_set, columns))

    def _stands(self, data_set: str) -> bool:
        """Tell whether the workspace still holds what the night wrote."""
        held = self.run.standing.holder(data_set)
        return held is not None and held == self.run.graph.holder(data_set)

    def _statistics(self, data_set: str, columns: NightColumns | None) -> dict[str, OutputDatasetFacet]:
        counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
        found = None if columns is None else columns.found(data_set)
        if found is not None:
            return {"outputStatistics": counted(rowCount=found.rows, size=found.size, fileCount=found.files)}
        locked = self.run.graph.locked(data_set)
        return {} if locked is None else {"outputStatistics": counted(size=locked.size, fileCount=locked.files)}

    def _version(self, data_set: str) -> dict[str, DatasetFacet]:
        locked = self.run.graph.locked(data_set) or self.run.graph.holder(data_set)
        return {} if locked is None else {"version": dataset_version_dataset.DatasetVersionDatasetFacet(locked.digest)}

    def _name(self, data_set: str) -> tuple[str, str]:
        """Return namespace and name: data sets of two sources lie at the same paths, what a source is read from does not."""
        if data_set == self.run.graph.source_path:
            return "file", data_set
        return self.namespace, f"{self.run.key.source}/{data_set}"

    def _column_lineage(self, lineage: Lineage) -> column_lineage_dataset.ColumnLineageDatasetFacet:
        fields = {
            name: column_lineage_dataset.Fields(
                inputFields=[self._origin(*origin) for origin in sorted(origins.items())]
            )
            for name, origins in lineage.fields.items()
        }
        whole = [self._origin(*origin) for origin in sorted(lineage.whole.items())]
        return column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields, dataset=whole)

    def _origin(self, column: Column, entry: Entry) -> column_lineage_dataset.InputField:
        kind = "DIRECT" if is_direct(entry) else "INDIRECT"
        step = column_lineage_dataset.Transformation(type=kind, subtype=entry, masking=False)
        return column_lineage_dataset.InputField(*self._name(column.table), column.name, transformations=[step])


def _schema(types: Mapping[str, str], said: Mapping[str, str]) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(name, dtype, said.get(name), ordinal_position=place)
            for place, (name, dtype) in enumerate(types.items(), start=1)
        ]
    )
