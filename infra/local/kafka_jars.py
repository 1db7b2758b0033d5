"""Apache Kafka's jars from Maven, once per machine: fetched, checked by digest, kept in a cache."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.problems import KafkaUnavailable
from infra.local.process import Progress, quiet

KAFKA_VERSION = "4.1.1"
JAVA_MAJOR_MIN = 17
POM = Path(__file__).parent.parent / "kafka" / "pom.xml"
DIGESTS = POM.with_name("jars.sha256")
DOWNLOADED = re.compile(r"Downloaded from \S+: \S+/([^/\s]+\.jar)")


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that was found and asked: its program, and its version as it tells it."""

    program: Path
    version: str
    major: int


def cache_folder() -> Path:
    """Where downloads are kept: BIHUAN_CACHE, else the user's cache folder."""
    chosen = os.environ.get("BIHUAN_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bihuan"


def find_java() -> Java | None:
    """JAVA_HOME's Java, else PATH's; None when there is none that runs."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else None
    program = program or shutil.which("java")
    if program is None:
        return None
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "([^"]+)"', told.stderr)
    if told.returncode != 0 or version is None:
        return None  # macOS has a stub that only says where to get one
    numbers = version[1].split(".")
    major = int(re.sub(r"\D.*", "", numbers[1] if numbers[0] == "1" else numbers[0]))
    return Java(Path(program), version[1], major)


def find_maven() -> Path | None:
    """Maven's program on PATH, or None."""
    found = shutil.which("mvn")
    return Path(found) if found else None


def usable_java() -> Java:
    """A Java new enough for Kafka. Raises KafkaUnavailable."""
    java = find_java()
    if java is None:
        raise KafkaUnavailable(
            "Java is not installed",
            f"Install a Java runtime, {JAVA_MAJOR_MIN} or newer "
            "(Debian, Ubuntu: apt install default-jre-headless; macOS: brew install openjdk).",
            f"请安装 Java {JAVA_MAJOR_MIN} 或更新版本。",
        )
    if java.major < JAVA_MAJOR_MIN:
        raise KafkaUnavailable(
            f"Java {java.version} is too old for Kafka {KAFKA_VERSION}",
            f"Install Java {JAVA_MAJOR_MIN} or newer, or point JAVA_HOME to one.",
            f"Java 版本过旧,请安装 {JAVA_MAJOR_MIN} 或更新版本,或设置 JAVA_HOME。",
        )
    return java


def expected_digests() -> dict[str, str]:
    """Jar name -> SHA-256 in hex, as committed beside the pom."""
    lines = DIGESTS.read_text("ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def jars_folder() -> Path:
    """Where this version's jars are, or will be, in the cache."""
    pinned = hashlib.sha256(DIGESTS.read_bytes()).hexdigest()[:12]
    return cache_folder() / f"kafka-{KAFKA_VERSION}-{pinned}"


def have_jars() -> bool:
    """Whether the jars are in the cache; they get there complete and checked, or not at all."""
    return jars_folder().is_dir()


def provide_jars(progress: Progress = quiet) -> Path:
    """The folder of Kafka's jars; fetched by Maven the first time. Raises KafkaUnavailable."""
    folder = jars_folder()
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder.parent / "kafka.lock"):
        if not folder.is_dir():
            maven = find_maven()
            if maven is None:
                raise KafkaUnavailable(
                    "Maven is not installed, and Kafka is not in the cache yet",
                    "Install Maven (Debian, Ubuntu: apt install maven; macOS: brew install maven).",
                    "请安装 Maven(Debian/Ubuntu:apt install maven;macOS:brew install maven)。",
                )
            _fetch(maven, folder, progress)
    return folder


def _fetch(maven: Path, folder: Path, progress: Progress) -> None:
    progress("kafka", f"fetching Apache Kafka {KAFKA_VERSION} with Maven (43 MB, once)")
    expected = expected_digests()
    arrival = Path(tempfile.mkdtemp(prefix="arriving-", dir=folder.parent))
    try:
        _run_maven(maven, arrival, expected, progress)
        _check(arrival, expected)
        arrival.chmod(0o755)
        arrival.rename(folder)
    finally:
        shutil.rmtree(arrival, ignore_errors=True)
    progress("kafka", f"Apache Kafka {KAFKA_VERSION} is in {folder}")


def _run_maven(maven: Path, arrival: Path, expected: dict[str, str], progress: Progress) -> None:
    goal = "dependency:copy-dependencies"
    command = [str(maven), "-B", "-f", str(POM), goal, "-DincludeScope=runtime"]
    command += [f"-DoutputDirectory={arrival}"]
    said: list[str] = []
    fetched: set[str] = set()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=arrival
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line.rstrip())
            jar = DOWNLOADED.search(line)
            if jar and jar[1] in expected:
                fetched.add(jar[1])
                progress("kafka", f"fetched {len(fetched)} of {len(expected)}: {jar[1]}")
    if running.returncode != 0:
        errors = [line for line in said if "ERROR" in line] or said
        raise KafkaUnavailable(
            "Maven could not fetch Kafka:\n" + "\n".join(errors[:4]),
            "Look at the network and at Maven's settings (~/.m2/settings.xml: mirror, proxy).",
            "请检查网络和 Maven 设置(~/.m2/settings.xml 中的镜像与代理)。",
        )


def _check(arrival: Path, expected: dict[str, str]) -> None:
    found = {jar.name: _sha256(jar) for jar in arrival.glob("*.jar")}
    wrong = sorted(name for name, digest in found.items() if expected.get(name) != digest)
    missing = sorted(expected.keys() - found.keys())
    if wrong or missing:
        raise KafkaUnavailable(
            f"Maven brought other jars than {DIGESTS.name} names: wrong {wrong}, missing {missing}",
            "A mirror may serve changed files; delete them from ~/.m2/repository and try again.",
            "镜像可能提供了被修改的文件,请从 ~/.m2/repository 删除后重试。",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
