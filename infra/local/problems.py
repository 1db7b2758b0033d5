"""What can go wrong with the local stack, each with what to do about it in both languages.

StackProblem
├── DataFolderInUse    another process runs its stack in this folder
├── ServerFailed       PostgreSQL or Kafka did not start, or ended by itself
├── CannotLeaveRoot    PostgreSQL refuses root, and no other user can be taken here
├── KafkaUnavailable   real Kafka cannot run here: no Java, no Maven, no download
└── NotOnMemoryBroker  the in-memory broker cannot do this
"""


class StackProblem(Exception):
    """The local stack cannot do what was asked; `remedy` and `remedy_zh` say what to do."""

    def __init__(self, problem: str, remedy: str = "", remedy_zh: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.remedy_zh = remedy_zh

    def __str__(self) -> str:
        return "\n".join(part for part in (self.problem, self.remedy, self.remedy_zh) if part)


class DataFolderInUse(StackProblem):
    """Another process runs its stack in this data folder."""


class ServerFailed(StackProblem):
    """A server did not start, or ended by itself."""


class CannotLeaveRoot(StackProblem):
    """PostgreSQL refuses to run as root, and no other user can be taken."""


class KafkaUnavailable(StackProblem):
    """Real Kafka cannot run on this machine as it is."""


class NotOnMemoryBroker(StackProblem):
    """The in-memory broker lives inside this process and cannot do this."""
