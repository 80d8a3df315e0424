"""What stands in deploy/kubernetes, as far as it can be judged without a cluster and without Dagster's chart.

A run is launched for real, at a stand-in for the Kubernetes API that takes its Job. docs/kubernetes.md says what was
checked beside that.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from dagster import DagsterInstance, DagsterRun
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes import client  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from invoice_assets.organizations import split_by_organization
from invoice_assets.settings import Settings
from invoice_assets_tests.sandbox.background import HOST, BackgroundServer, open_listener, port_of

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMESPACE, RUN_ID = "warehouse", "5b0e2f7c-6a1d-4c83-9e55-0d7f3a1b2c4d"


@pytest.fixture(autouse=True)
def urllib3_speaks_as_before() -> Iterator[None]:
    """The client of Kubernetes silences urllib3's logger for the whole process."""
    yield
    logging.getLogger("urllib3").setLevel(logging.NOTSET)


def read_all(name: str) -> list[dict[str, Any]]:
    """The objects of a file of deploy/."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


(VALUES,) = read_all("kubernetes/values.yaml")
(OF_MACHINES,) = read_all("dagster.yaml")
(CODE,) = VALUES["dagster-user-deployments"]["deployments"]
LAUNCHER = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
OBJECTS = [each for path in sorted(DEPLOY.glob("kubernetes/*.example.yaml")) for each in read_all(str(path))]
(WORKERS,) = (each for each in OBJECTS if each["kind"] == "Deployment")
WORKER = WORKERS["spec"]["template"]["spec"]["containers"][0]


class KubernetesApi:
    """As much of the Kubernetes API as a run launcher asks for; it keeps the Jobs that it is sent."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, dict[str, Any]]] = []
        listener = open_listener(0)
        self.url = f"http://{HOST}:{port_of(listener)}"
        route = Route("/apis/batch/v1/namespaces/{namespace}/jobs", self._create, methods=["POST"])
        self.server = BackgroundServer(Starlette(routes=[route]), listener)

    async def _create(self, request: Request) -> JSONResponse:
        job = await request.json()
        self.jobs.append((request.path_params["namespace"], job))
        return JSONResponse(job, status_code=201)

    def write_kubeconfig(self, path: Path) -> Path:
        """A file by which Kubernetes' client finds this server."""
        named = {"name": "test"}
        path.write_text(
            yaml.safe_dump(
                {
                    "clusters": [named | {"cluster": {"server": self.url}}],
                    "users": [named | {"user": {}}],
                    "contexts": [named | {"context": {"cluster": "test", "user": "test"}}],
                    "current-context": "test",
                }
            )
        )
        return path


@pytest.fixture
def api() -> Iterator[KubernetesApi]:
    api = KubernetesApi()
    api.server.start()
    yield api
    api.server.stop()


@pytest.fixture
def instance(api: KubernetesApi, tmp_path: Path) -> Iterator[DagsterInstance]:
    """An instance as the chart would configure it by our values, but for its storage and for where the cluster is."""
    coordinator = VALUES["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]
    launcher = {
        "load_incluster_config": False,
        "kubeconfig_file": str(api.write_kubeconfig(tmp_path / "kubeconfig")),
        "job_namespace": NAMESPACE,
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": VALUES["global"]["dagsterHome"],
        "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
        "image_pull_policy": LAUNCHER["imagePullPolicy"],
        "security_context": LAUNCHER["securityContext"],
        "run_k8s_config": {
            "pod_spec_config": LAUNCHER["runK8sConfig"]["podSpecConfig"],
            "job_spec_config": LAUNCHER["runK8sConfig"]["jobSpecConfig"],
        },
    }
    configured = VALUES["additionalInstanceConfig"] | {
        "run_coordinator": coordinator,
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher},
        "telemetry": VALUES["telemetry"],
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(configured))
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as opened:
        yield opened


def launch_run(instance: DagsterInstance) -> None:
    """Launch a run whose code server is the chart's: it hands on its own image, environment, volumes and resources."""
    context = {
        "image_pull_policy": CODE["image"]["pullPolicy"],
        "env_secrets": [secret["name"] for secret in CODE["envSecrets"]],
        "env": CODE["env"],
        "volumes": CODE["volumes"],
        "volume_mounts": CODE["volumeMounts"],
        "resources": CODE["resources"],
    }
    repository = RepositoryPythonOrigin(
        executable_path="python",
        code_pointer=ModuleCodePointer("invoice_assets.definitions", "defs"),
        container_image=find_image(CODE),
        entry_point=["dagster"],
        container_context={"k8s": context},
    )
    run = DagsterRun("__ASSET_JOB", RUN_ID, job_code_origin=JobPythonOrigin("__ASSET_JOB", repository))
    instance.add_run(run)
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))


def find_image(described: Mapping[str, Any]) -> str:
    return f"{described['image']['repository']}:{described['image']['tag']}"


def test_a_run_is_a_pod_of_the_image_with_its_secrets_organisations_and_limits(
    instance: DagsterInstance, api: KubernetesApi
) -> None:
    launch_run(instance)

    ((namespace, job),) = api.jobs
    (container,) = job["spec"]["template"]["spec"]["containers"]
    volumes = {volume["name"]: volume for volume in job["spec"]["template"]["spec"]["volumes"]}
    environment = {variable["name"]: variable for variable in container["env"]}
    assert namespace == NAMESPACE
    assert container["image"] == find_image(CODE)
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
    assert {"secretRef": {"name": "invoice-assets"}} in container["envFrom"]
    assert environment["DAGSTER_PG_PASSWORD"]["valueFrom"]["secretKeyRef"] == {
        "name": "invoice-assets-postgresql",
        "key": "postgresql-password",
    }
    assert environment["INVOICE_ORGANIZATIONS"]["value"] == "/etc/invoice_assets/organizations.toml"
    assert volumes["organizations"]["configMap"]["name"] == "invoice-assets-organizations"
    assert container["resources"] == CODE["resources"]


def test_the_pod_of_a_run_has_no_more_rights_and_no_more_time_than_it_needs(
    instance: DagsterInstance, api: KubernetesApi
) -> None:
    launch_run(instance)

    ((_, job),) = api.jobs
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert job["spec"]["activeDeadlineSeconds"] == OF_MACHINES["run_monitoring"]["max_runtime_seconds"]
    assert job["spec"]["ttlSecondsAfterFinished"] > 0


def test_runs_are_limited_by_organisation_in_the_words_that_the_chart_leaves_alone(instance: DagsterInstance) -> None:
    limits = instance.get_concurrency_config().run_queue_config

    assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
    assert limits is not None
    assert limits.max_concurrent_runs == 25
    assert limits.tag_concurrency_limits == OF_MACHINES["concurrency"]["runs"]["tag_concurrency_limits"]


def test_a_cluster_keeps_the_limits_retries_and_retention_of_machines() -> None:
    def in_camel_case(name: str) -> str:
        first, *others = name.split("_")
        return first + "".join(word.capitalize() for word in others)

    daemon, monitoring = VALUES["dagsterDaemon"], OF_MACHINES["run_monitoring"]
    shared = {in_camel_case(name): value for name, value in monitoring.items() if name != "max_runtime_seconds"}

    assert VALUES["additionalInstanceConfig"]["concurrency"] == OF_MACHINES["concurrency"]
    assert daemon["runMonitoring"] == shared | {"maxResumeRunAttempts": 0}
    assert daemon["runRetries"] == {"enabled": True, "maxRetries": OF_MACHINES["run_retries"]["max_retries"]}
    for kind in ("schedule", "sensor"):
        assert VALUES["retention"][kind]["purgeAfterDays"] == OF_MACHINES["retention"][kind]["purge_after_days"]
        assert daemon[f"{kind}s"]["numWorkers"] == OF_MACHINES[f"{kind}s"]["num_workers"]
    assert VALUES["pythonLogs"]["managedPythonLoggers"] == OF_MACHINES["python_logs"]["managed_python_loggers"]


@pytest.mark.parametrize(
    "described", OBJECTS, ids=lambda described: f"{described['kind']}-{described['metadata']['name']}"
)
def test_every_object_has_the_fields_that_kubernetes_knows(described: dict[str, Any]) -> None:
    model = getattr(client, f"V1{described['kind']}")

    built = k8s_model_from_dict(model, k8s_snake_case_dict(model, described))

    assert built.metadata.name == described["metadata"]["name"]


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (client.V1PodSecurityContext, "podSecurityContext"),
        (client.V1SecurityContext, "securityContext"),
        (client.V1ResourceRequirements, "resources"),
    ],
)
@pytest.mark.parametrize(
    "described", [CODE, VALUES["dagsterDaemon"], VALUES["dagsterWebserver"]], ids=["code", "daemon", "webserver"]
)
def test_what_the_chart_hands_to_kubernetes_has_the_fields_that_it_knows(
    described: Mapping[str, Any], model: type, key: str
) -> None:
    assert k8s_model_from_dict(model, k8s_snake_case_dict(model, described[key])).to_dict()


def test_every_secret_and_config_map_that_is_named_has_an_example() -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in OBJECTS}
    of_the_chart = {("ConfigMap", "dagster-instance")}
    secrets = [VALUES["global"]["postgresqlSecretName"], *(secret["name"] for secret in CODE["envSecrets"])]
    sources = [*CODE["volumes"], *WORKERS["spec"]["template"]["spec"]["volumes"]]

    named = {("Secret", name) for name in [*secrets, WORKER["envFrom"][0]["secretRef"]["name"]]}
    named |= {("ConfigMap", source["configMap"]["name"]) for source in sources}

    assert named - of_the_chart <= made


def test_one_image_serves_every_role() -> None:
    images = {find_image(VALUES[role]) for role in ("dagsterDaemon", "dagsterWebserver")} | {find_image(CODE)}

    assert images == {WORKER["image"]}


def test_the_example_of_organisations_can_be_used_with_the_example_of_secrets(tmp_path: Path) -> None:
    objects = {each["metadata"]["name"]: each for each in OBJECTS}
    path = tmp_path / "organizations.toml"
    path.write_text(objects["invoice-assets-organizations"]["data"]["organizations.toml"])
    secrets = objects["invoice-assets"]["stringData"]

    (acme,) = split_by_organization(Settings(organizations_file=str(path)))

    assert acme.credentials == "env:ACME"
    assert {f"ACME_{name}" for name in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")} <= secrets.keys()


def test_every_variable_that_is_set_is_explained() -> None:
    text = "\n".join(
        (DEPLOY.parent / name).read_text(encoding="utf-8") for name in (".env.example", "deploy/environment.example")
    )
    (secrets,) = (each["stringData"] for each in OBJECTS if each["metadata"]["name"] == "invoice-assets")
    names = {variable["name"] for variable in [*CODE["env"], *WORKER["env"]]} | secrets.keys()

    assert [name for name in sorted(names - {"DAGSTER_PG_PASSWORD"}) if f"{name}=" not in text] == []
