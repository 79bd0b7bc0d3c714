"""Every error the library raises, as one tree.

AigcError                 exit 1  anything unexpected
├── UserError             exit 2  bad input or configuration: the user can mend it
│   ├── UnknownLine               no such content line
│   ├── RecipeInvalid             a recipe.yaml that does not hold
│   ├── ContractInvalid           a contract file that does not hold
│   ├── SourceInvalid             a catalogue or corpus file that cannot be read or mapped
│   ├── CatalogueShrunk           more items are gone than may go unnoticed
│   ├── CapPassed                 the plan costs more than the recipe allows without a person's word
│   ├── ModelInvalid              a model that cannot be found, loaded or trusted
│   ├── LakeUnusable              the lake cannot be read or written
│   ├── QueryRefused              a query that is not one read-only SELECT, or that failed
│   ├── RunBusy                   another process works on the same run
│   └── MissingExtra              an optional package is needed
├── AuditBlocked          exit 4  the gates of the contract refused the run
├── ConservationBroken            rows went missing or were counted twice
├── IntegrityBroken               bytes on disk differ from their manifest
├── TrainingFailed                fine-tuning did not end in a usable model
├── EngineBroken                  the engine fails on every row, not on one
├── WorkersFailed                 worker processes ended again and again, or with an error
├── Stopped               exit 75 told to stop: the same command goes on
├── CommitConflict                another writer was first: refresh and try again
└── CommitUnknown                 a commit may or may not have happened: read before trying again
"""


class AigcError(Exception):
    """What came, what is valid, what to do; each a full sentence or empty. Survives pickling."""

    exit_code = 1

    def __init__(self, came: str, valid: str = "", remedy: str = "") -> None:
        super().__init__(came, valid, remedy)
        self.came = came
        self.valid = valid
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(part for part in (self.came, self.valid, self.remedy) if part)


class UserError(AigcError):
    """The user can mend it: bad input or configuration."""

    exit_code = 2


class UnknownLine(UserError):
    """No content line of that name."""


class RecipeInvalid(UserError):
    """A recipe.yaml that does not hold."""


class ContractInvalid(UserError):
    """A contract file that does not hold."""


class SourceInvalid(UserError):
    """A catalogue or corpus file that cannot be read or mapped."""


class CatalogueShrunk(UserError):
    """More items are gone from the catalogue than may go unnoticed: a person must confirm it."""


class CapPassed(UserError):
    """The plan passes a cap of the recipe: a person must confirm it."""


class ModelInvalid(UserError):
    """A model that cannot be found, loaded or trusted."""


class LakeUnusable(UserError):
    """The lake cannot be read or written."""


class QueryRefused(UserError):
    """A query that is not one read-only SELECT, or that failed."""


class RunBusy(UserError):
    """Another process of this host works on the same run."""


class MissingExtra(UserError):
    """An optional package is needed; the remedy is its pip line."""


class AuditBlocked(AigcError):
    """The gates of the output contract refused the run; nothing was published."""

    exit_code = 4

    def __init__(self, came: str, valid: str = "", remedy: str = "", run_id: str = "") -> None:
        super().__init__(came, valid, remedy)
        self.args = (came, valid, remedy, run_id)
        self.run_id = run_id


class ConservationBroken(AigcError):
    """Rows in differ from the sum of the terminal states."""


class IntegrityBroken(AigcError):
    """Bytes on disk differ from what their manifest says."""


class TrainingFailed(AigcError):
    """Fine-tuning did not end in a usable model."""


class EngineBroken(AigcError):
    """The engine of this process fails on every row, as when its device is gone, or is another than the run's."""


class WorkersFailed(AigcError):
    """Worker processes ended again and again, or with an error of their own."""


class Stopped(AigcError):
    """Told to stop by a signal; what was finished is kept."""

    exit_code = 75


class StopSignal(BaseException):
    """The signal itself on its way to the edge of the process, where it becomes `Stopped`.

    No `Exception`: what holds a check's or an engine's failure against its rows must not take it for one.
    """


class CommitConflict(AigcError):
    """Another writer committed first: refresh and try again."""


class CommitUnknown(AigcError):
    """A commit may or may not have happened: read the table before trying again."""
