"""The files in model/, which SageMaker packs into model.tar.gz, and the pages in output/data.

SageMaker may copy model/ away at any moment. Each file is written atomically, artifact.json changes from one
complete set of files to the next in one step, and files that it no longer lists are removed after that.
"""

import io
import json
import os
import shutil
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

import numpy as np

from donkey_sagemaker import contract
from donkey_sagemaker.atomic import write_bytes

from .artifact import installed_versions, list_files, make_artifact
from .callbacks import Fitted
from .dataset import Dataset
from .driving_proof import Proof, summarize_proof
from .driving_section import make_driving_section
from .export import Exported, export
from .log import log
from .opt_ml import OptMl
from .pilot import Pilot
from .plot import plot_loss
from .reading import Inputs
from .report import Provenance, TubUsed, make_report
from .review import predict, review
from .samples import SAMPLES, make_samples
from .validation import Checksums, ValidationSet

PAGE_NAMES = {"plot": contract.PLOT_NAME, "report": contract.REPORT_NAME}  # by role


class Delivery:
    """Delivers the net of one training, after each epoch that is the best so far and at the end."""

    def __init__(self, opt_ml: OptMl, inputs: Inputs, *, pilot: Pilot, dataset: Dataset) -> None:
        self.folder = opt_ml.model
        self.output_folder = opt_ml.output_data
        self.job = inputs.job
        self.tubs = inputs.tubs
        self.pilot = pilot
        self.dataset = dataset
        self.validation = ValidationSet(pilot, dataset, checksums=Checksums(inputs.tubs))

    def deliver_best_so_far(self, fitted: Fitted) -> None:
        """Delivers the net as it is now, in the format that is written fastest, and without pages."""
        name, form = choose_quick_model(self.job.models)
        prefix = f"epoch-{fitted.best_epoch}."
        self._write(fitted, self._export([(prefix + name, form)]), prefix=prefix)

    def deliver(self, fitted: Fitted, devices: List[str], proof: Optional[Proof]) -> None:
        """Delivers the final net in every format that the job wants, with the report and the loss plot."""
        log(f"{contract.WRITING} as {', '.join(form for _name, form in self.job.models)}")
        exported = self._export(self.job.models)
        for note in exported.notes:
            log(note)
        log("Writing the report")
        self._write(
            fitted,
            exported,
            make_pages=lambda verdict: self._make_pages(fitted, exported, devices, verdict, proof),
            proof=proof,
        )

    def _export(self, models: List[Tuple[str, str]]) -> Exported:
        return export(
            self.pilot,
            models,
            self.folder,
            model_type=self.job.model_type,
            car_versions=self.job.car_versions,
        )

    def _write(
        self,
        fitted: Fitted,
        exported: Exported,
        *,
        make_pages: Callable[[Dict[str, str]], Dict[str, bytes]] = lambda verdict: {},
        prefix: str = "",
        proof: Optional[Proof] = None,
    ) -> None:
        """Writes everything that belongs to the exported model, artifact.json last.

        Args:
            make_pages: the verdict -> the report and the loss plot, by role.
            prefix: begins the names of a model that a better one may replace.
        """
        rounded = {name: [round(value, 8) for value in values] for name, values in fitted.history.items()}
        history = _json_bytes(rounded)
        contents = {
            (prefix + contract.SAMPLES_NAME, "samples"): self._make_samples(),
            (prefix + contract.HISTORY_NAME, "history"): history,
            (prefix + contract.TRAINED_NAME, "trained"): self.validation.trained(),
        }
        measured, pictures = self.validation.measure(fitted.best_epoch)
        if pictures is not None:
            contents[prefix + contract.VALIDATION_NAME, "validation"] = pictures
        artifact = make_artifact(
            self.job,
            pilot=str(self.pilot),
            notes=exported.notes,
            fitted=fitted,
            history=rounded,
            records={
                "training": len(self.dataset.training),
                "validation": len(self.dataset.validation),
                "left_out": self.dataset.left_out,
            },
            validation=measured,
            driving=summarize_proof(proof, self.dataset.examples, self.job) if proof else None,
        )
        for role, page in make_pages(artifact["verdict"]).items():
            contents[PAGE_NAMES[role], role] = page
            write_bytes(os.path.join(self.output_folder, PAGE_NAMES[role]), page, only_writer=True)
        write_bytes(os.path.join(self.output_folder, contract.HISTORY_NAME), history, only_writer=True)
        for (name, _), content in contents.items():
            write_bytes(os.path.join(self.folder, name), content, only_writer=True)
        files = list_files(self.folder, models=exported.models, others=list(contents))
        artifact["files"] = files
        path = os.path.join(self.folder, contract.ARTIFACT_NAME)
        write_bytes(path, _json_bytes(artifact), only_writer=True)
        _remove_others(self.folder, {each["path"].split("/")[0] for each in files} | {contract.ARTIFACT_NAME})

    def _make_samples(self) -> bytes:
        """Samples of a few examples that are spread over the whole drive, as an .npz file."""
        examples = self.dataset.examples
        places = np.linspace(0, len(examples) - 1, min(SAMPLES, len(examples))).astype(int)
        chosen = [examples[place] for place in places]
        others = [
            [example.inputs[name] for name in self.pilot.drive_inputs(example.inputs)] for example in chosen
        ]
        file = io.BytesIO()
        np.savez(file, **make_samples(self.pilot, [self.dataset.show(each) for each in chosen], others))
        return file.getvalue()

    def _make_pages(
        self,
        fitted: Fitted,
        exported: Exported,
        devices: List[str],
        verdict: Dict[str, str],
        proof: Optional[Proof],
    ) -> Dict[str, bytes]:
        """The report and, if matplotlib is installed, the loss plot, by role."""
        job, dataset = self.job, self.dataset
        loss = plot_loss(fitted.history, best_epoch=fitted.best_epoch, title=f"{job.name} ({job.model_type})")
        provenance = Provenance(
            examples=dataset.examples,
            training=len(dataset.training),
            left_out=dataset.left_out,
            tubs=[
                TubUsed(job.tub_paths.get(name, name), len(tub.records), tub.deleted)
                for name, tub in self.tubs.items()
            ],
            formats=[form for _, form in exported.models],
            notes=exported.notes,
            versions=installed_versions(),
            devices=devices,
        )
        reviewed = review(
            dataset.examples,
            dataset.validation,
            predict=lambda chosen: predict(self.pilot, dataset.feed(chosen)),
        )
        report = make_report(
            job,
            fitted,
            reviewed,
            provenance,
            loss=loss,
            show=dataset.show,
            views=dataset.show_views(),
            verdict=verdict,
            driving=make_driving_section(proof, dataset.examples, job) if proof else "",
        )
        pages = {"report": report.encode("utf-8")}
        if loss is not None:
            pages["plot"] = loss
        return pages


def choose_quick_model(models: List[Tuple[str, str]]) -> Tuple[str, str]:
    """The (name, format) to write after an epoch: .tflite and SavedModel take too long."""
    name, form = next((model for model in models if model[1] != "tflite"), models[0])
    if form == "savedmodel":
        return name[: -len(form)] + "h5", "h5"
    return name, form


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode("utf-8")


def _remove_others(folder: str, names: Set[str]) -> None:
    for name in set(os.listdir(folder)) - names:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.remove(path)
