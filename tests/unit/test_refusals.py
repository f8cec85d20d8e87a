"""What kubectl prints when the API refuses, told apart. Texts: kubectl 1.37 and a 1.36 server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlship.commands.kubectl import Target
from mlship.rollout import diagnosis, refusals
from mlship.rollout.refusals import refusal

CONFLICT_ADVICE = """
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""
KLOG = (
    'E1125 03:41:39.813447     346 memcache.go:381] "Couldn\'t get current server API group list" '
    'err="Get \\"https://127.0.0.1:1/api?timeout=32s\\": dial tcp 127.0.0.1:1: connect: connection '
    'refused"\n'
)
OPENAPI = (
    'error: error validating "d.yaml": error validating data: failed to download openapi: Get '
    '"{}/openapi/v2?timeout=32s": {}; if you choose to ignore these errors, turn validation off '
    "with --validate=false"
)
DENIED = (
    'Error from server (Forbidden): deployments.apps "iris" is forbidden: User "{}" cannot {} '
    'resource "deployments" in API group "apps" in the namespace "ml"'
)
# Each: the text, the cause, then words of what, evidence, next.
SAID = {
    # Printed by a real kubectl, before a real cluster or none; some names changed.
    "refused": (
        KLOG * 2 + "The connection to the server 127.0.0.1:1 was refused - did you specify the "
        "right host or port?",
        "unreachable", "Nothing listens at the address of the cluster at 127.0.0.1:1", "refused",
        "start the cluster",
    ),
    "refused-apply": (
        OPENAPI.format("https://10.0.0.1:6443", "dial tcp 10.0.0.1:6443: connect: connection "
                       "refused"),
        "unreachable", "at 10.0.0.1:6443", "refused", "--context",
    ),
    "no-such-host": (
        "Unable to connect to the server: dial tcp: lookup no-such.invalid on 10.0.0.53:53: no "
        "such host", "unreachable", "name of the cluster", "no-such.invalid", "VPN",
    ),
    "unknown-authority": (
        "Unable to connect to the server: tls: failed to verify certificate: x509: certificate "
        "signed by unknown authority", "tls", "authority unknown here", "x509", "new kubeconfig",
    ),
    "other-name": (
        "Unable to connect to the server: tls: failed to verify certificate: x509: certificate is "
        "valid for kubernetes, localhost, not other", "tls", "another name", "x509", "tls-server",
    ),
    "no-sans": (
        "Unable to connect to the server: tls: failed to verify certificate: x509: cannot validate "
        "certificate for 10.255.255.1 because it doesn't contain any IP SANs",
        "tls", "another name", "x509", "server's address",
    ),
    "no-such-context": (
        "Error in configuration: context was not found for specified context: nope",
        "no-context", "no context nope", "nope", "kubectl config get-contexts",
    ),
    "no-current-context": (
        "error: current-context is not set", "no-context", "no current context", "", "--context",
    ),
    "no-kubeconfig": (
        "error: stat /tmp/nonexistent: no such file or directory",
        "no-context", "There is no kubeconfig", "/tmp/nonexistent", "KUBECONFIG",
    ),
    "no-kubeconfig-at-all": (
        KLOG + "The connection to the server localhost:8080 was refused - did you specify the "
        "right host or port?", "no-context", "No cluster is configured", "8080", "KUBECONFIG",
    ),
    "no-kubeconfig-apply": (
        OPENAPI.format("http://localhost:8080", "dial tcp 127.0.0.1:8080: connect: connection "
                       "refused"), "no-context", "No cluster is configured", "8080", "KUBECONFIG",
    ),
    "unauthorized": (
        "error: You must be logged in to the server (Unauthorized)",
        "credentials", "does not accept", "Unauthorized", "log in again",
    ),
    "asks-for-a-name": (
        "Please enter Username: error: EOF", "credentials", "does not accept", "EOF", "log in",
    ),
    "plugin-fails": (
        "Token has expired and refresh failed\nUnable to connect to the server: getting "
        "credentials: exec: executable aws failed with exit code 255",
        "credentials", "aws, which the kubeconfig uses to log in, failed with exit code 255",
        "Token has expired", "aws sso login",
    ),
    "forbidden": (
        DENIED.format("ann", "patch"), "forbidden",
        "ann may not patch deployments.apps in namespace ml", "may not patch",
        "kubectl --namespace ml create rolebinding mlship --role=mlship --user=ann",
    ),
    "forbidden-robot": (
        DENIED.format("system:serviceaccount:ci:deployer", "get"), "forbidden",
        "system:serviceaccount:ci:deployer may not get", "", "--serviceaccount=ci:deployer",
    ),
    "no-namespace": (
        'Error from server (NotFound): namespaces "ml" not found', "no-namespace",
        "no namespace ml", "NotFound", "mlship deploy --create-namespace",
    ),
    "conflict": (
        'error: Apply failed with 1 conflict: conflict with "other": .spec.replicas'
        + CONFLICT_ADVICE, "field-conflict", "Another manager (other) owns .spec.replicas",
        "other owns .spec.replicas", "mlship deploy --replicas",
    ),
    "conflicts": (
        'error: Apply failed with 2 conflicts: conflicts with "argocd-controller":\n'
        '- .spec.replicas\n- .spec.template.spec.containers[name="server"].image'
        + CONFLICT_ADVICE, "field-conflict", "Argo CD (it deploys from git) owns 2 fields",
        'owns .spec.template.spec.containers[name="server"].image', "deploy by Argo CD",
    ),
    "stale": (
        "The request is invalid: the server rejected our request due to an error in our request",
        "field-conflict", "Somebody changed the same object at the same moment", "rejected",
        "run the same command again",
    ),
    "unknown-field": (
        "Error from server: failed to create typed patch object (ml/iris; apps/v1, "
        "Kind=Deployment): .spec.replicass: field not declared in schema",
        "invalid-manifest", "Deployment iris is not valid: spec.replicass", "not declared",
        "k8s/base/deployment.yaml",
    ),
    "wrong-type": (
        "Error from server: failed to create typed patch object (ml/iris; apps/v1, "
        "Kind=Deployment): .spec.replicas: expected numeric (int or float), got string",
        "invalid-manifest", "spec.replicas", "got string", "k8s/base/deployment.yaml",
    ),
    "missing-crd": (
        'error: resource mapping not found for name: "iris" namespace: "" from "k8s": no matches '
        'for kind "ServiceMonitor" in version "monitoring.coreos.com/v1"\nensure CRDs are '
        "installed first", "missing-crd", "does not know the kind ServiceMonitor", "no matches",
        "install the Prometheus Operator",
    ),
    "quota": (
        'Error from server (Forbidden): configmaps "b" is forbidden: exceeded quota: q, requested: '
        "count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=0",
        "quota", "The quota q", "count/configmaps: 1 more asked, 1 used, 0 allowed", "describe",
    ),
    # From the sources and from issues.
    "stale-version": (
        'Error from server (Conflict): Operation cannot be fulfilled on deployments.apps "iris": '
        "the object has been modified; please apply your changes to the latest version and try "
        "again", "field-conflict", "at the same moment", "modified", "run the same command again",
    ),
    "plugin-missing": (
        "Unable to connect to the server: getting credentials: exec: executable "
        "gke-gcloud-auth-plugin not found\n\nIt looks like you are trying to use a client-go "
        "credential plugin that is not installed.",
        "credentials", "is not installed", "gke-gcloud", "install gke-gcloud-auth-plugin",
    ),
    "no-such-context-in-words": (
        'error: context "nope" does not exist',
        "no-context", "no context nope", "nope", "kubectl config get-contexts",
    ),
    "timeout": (
        "Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout",
        "unreachable", "does not answer", "timeout", "VPN",
    ),
    "handshake": (
        "Unable to connect to the server: net/http: TLS handshake timeout",
        "unreachable", "does not answer", "handshake", "VPN",
    ),
    "no-route": (
        "Unable to connect to the server: dial tcp 10.0.0.1:443: connect: no route to host",
        "unreachable", "can't be reached", "no route", "VPN",
    ),
    "server-expired": (
        "Unable to connect to the server: tls: failed to verify certificate: x509: certificate has "
        "expired or is not yet valid: current time 2026-11-25T03:41:39Z is after 2026-01-01",
        "tls", "has expired", "is after", "renew",
    ),
    "client-expired": (
        "Unable to connect to the server: remote error: tls: expired certificate",
        "credentials", "has expired", "expired", "new kubeconfig",
    ),
    "anonymous": (
        DENIED.format("system:anonymous", "get"), "credentials", "does not accept", "anonymous",
        "log in again",
    ),
    "forbidden-everywhere": (
        'Error from server (Forbidden): namespaces is forbidden: User "ann" cannot create resource '
        '"namespaces" in API group "" at the cluster scope', "forbidden",
        "ann may not create namespaces on the cluster", "", "clusterrole mlship --verb=create",
    ),
    "terminating": (
        'Error from server (Forbidden): configmaps "iris" is forbidden: unable to create new '
        "content in namespace ml because it is being terminated", "no-namespace",
        "is being deleted", "terminated", "wait",
    ),
    "invalid": (
        'The Deployment "iris" is invalid: \n* spec.replicas: Invalid value: -1: must be greater '
        "than or equal to 0\n* spec.template.spec.containers[0].image: Required value",
        "invalid-manifest", "Deployment iris is not valid: spec.replicas", "Required value",
        "k8s/base/deployment.yaml",
    ),
    "invalid-hpa": (
        'The HorizontalPodAutoscaler "iris" is invalid: spec.maxReplicas: Invalid value: 1: must '
        "be greater than or equal to `minReplicas`", "invalid-manifest", "spec.maxReplicas",
        "minReplicas", "k8s/overlays/prod/hpa.yaml",
    ),
    "immutable": (
        'The Deployment "iris" is invalid: spec.selector: Invalid value: {"matchLabels":{"a":"b"}}:'
        " field is immutable", "invalid-manifest", "spec.selector", "immutable",
        "kubectl delete deployment iris",
    ),
    "strict": (
        'Error from server (BadRequest): error when creating "d.yaml": Deployment in version "v1" '
        'cannot be handled as a Deployment: strict decoding error: unknown field "spec.x"',
        "invalid-manifest", "fields that don't exist", "spec.x", "k8s/",
    ),
    "not-yaml": (
        "error: error parsing k8s/base/deployment.yaml: error converting YAML to JSON: yaml: line "
        "5: did not find expected key", "invalid-manifest", "k8s/base/deployment.yaml is not valid",
        "line 5", "correct k8s/base/deployment.yaml",
    ),
    "other-crd": (
        'error: resource mapping not found for name: "x" namespace: "" from "k8s": no matches for '
        'kind "Thing" in version "example.com/v1"\nensure CRDs are installed first',
        "missing-crd", "Thing (example.com/v1)", "no matches", "the operator of example.com",
    ),
    "old-cluster": (
        'error: resource mapping not found for name: "iris" namespace: "ml" from "k8s": no matches '
        'for kind "HorizontalPodAutoscaler" in version "autoscaling/v2"\nensure CRDs are installed '
        "first", "version-skew", "no HorizontalPodAutoscaler of", "", "prod/hpa.yaml",
    ),
    "no-type": (
        'error: the server doesn\'t have a resource type "horizontalpodautoscaler"',
        "version-skew", "no horizontalpodautoscaler", "", "kubectl version",
    ),
    "too-many": (
        "Error from server (TooManyRequests): the server has received too many requests and has "
        "asked us to try again later", "api-busy", "overloaded", "try again", "again in a minute",
    ),
    "held": (
        'scaledobject.keda.sh "iris" deleted\nerror: timed out waiting for the condition on '
        "scaledobjects/iris", "not-removed", "The removal of scaledobjects/iris does not end",
        "timed out", "kubectl --namespace ml get scaledobjects/iris --output yaml",
    ),
    "held-unnamed": (
        "error: timed out waiting for the condition", "not-removed", "The removal of an object",
        "timed out", "finalizers",
    ),
    "etcd": (
        "Error from server: etcdserver: request timed out", "api-busy", "overloaded", "etcd",
        "again",
    ),
    "webhook-down": (
        'Error from server (InternalError): Internal error occurred: failed calling webhook '
        '"x.example.com": failed to call webhook: Post "https://x.svc:443/check?timeout=10s": dial '
        "tcp 10.1.2.3:443: connect: connection refused", "admission-webhook",
        "x.example.com does not answer", "refused", "start it again",
    ),
    "webhook-denied": (
        'Error from server: admission webhook "validation.gatekeeper.sh" denied the request: '
        "[labels] you must provide labels: {\"team\"}", "admission-webhook",
        "validation.gatekeeper.sh denies", "you must provide", "change k8s/",
    ),
    "pod-security": (
        'Error from server (Forbidden): pods "x" is forbidden: violates PodSecurity '
        '"restricted:latest": runAsNonRoot != true (pod or container "server" must set '
        "securityContext.runAsNonRoot=true)", "pod-security", "break 1 rule", "runAsNonRoot",
        "deployment.yaml",
    ),
    "limit-range": (
        'Error from server (Forbidden): pods "x" is forbidden: [maximum memory usage per Pod is '
        "1Gi, but limit is 2Gi, maximum cpu usage per Pod is 1, but limit is 2]", "limit-range",
        "this memory per Pod", "maximum cpu usage per Pod is 1, but limit is 2", "mlship.yaml",
    ),
    "anything": (
        "error: what nobody has seen", "refused", "refused the manifests", "nobody has seen",
        "k8s/",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_refusal(name):
    text, cause, what, evidence, fix = SAID[name]
    found = refusal(text, namespace="ml")
    assert found.cause == cause and found.certain
    assert what in found.what and not found.what.endswith(".")
    assert evidence in "\n".join(found.evidence)
    assert fix in found.next
    assert "memcache.go" not in "\n".join(found.evidence)
    assert "Please review" not in "\n".join(found.evidence)


def test_every_cause_is_played():
    assert set(refusals.CAUSES) <= {said[1] for said in SAID.values()}
    assert {said[1] for said in SAID.values()} <= {*refusals.CAUSES, *diagnosis.CAUSES}


def test_the_role_to_ask_for_has_all_that_deploy_needs_and_nothing_cluster_wide():
    asked = refusal(DENIED.format("O'Neil x", "patch"), namespace="ml", program="kubectl").next
    role, binding, view = asked.splitlines()[1:]
    assert "create role mlship --verb=get,list,watch,create,patch,delete" in role
    for kind in (
        "deployments.apps",
        "replicasets.apps",
        "configmaps",
        "horizontalpodautoscalers.autoscaling",
    ):
        assert kind in role
    assert binding.endswith("--user='O'\"'\"'Neil x'") and "clusterrole=view" in view
    assert all(line.strip().startswith("kubectl --namespace ml ") for line in (role, binding, view))


def test_several_rights_are_counted():
    text = DENIED.format("ann", "patch") + "\n" + DENIED.format("ann", "get")
    found = refusal(text)
    assert "(nor 1 more)" in found.what and len(found.evidence) == 2


def test_the_error_of_a_refusal():
    error = refusals.refused(Target("kubectl", None, "ml"), SAID["no-namespace"][0])
    assert error.what == "There is no namespace ml" and "NotFound" in error.why
    assert error.next.endswith("kubectl create namespace ml")
    assert error.cause == "no-namespace"


@pytest.mark.parametrize(
    "said",
    [
        "error: Service iris does not have a service port 80",
        "error: unable to forward port because pod is not running. Current status=Pending",
        'error: executing "diff" failed: exec: "diff": executable file not found in $PATH',
    ],
)
def test_what_is_not_about_manifests_does_not_blame_them(said):
    error = refusals.refused(Target("kubectl", None, "ml"), said)
    assert (error.what, error.why, error.cause) == ("kubectl failed", said, "refused")
    assert "k8s/" not in error.next
    applied = refusals.refused(Target("kubectl", None, "ml"), said, applied=True)
    assert applied.what == "The cluster refused the manifests" and "k8s/" in applied.next


@given(st.text())
def test_any_text_has_an_answer(text):
    found = refusal(text)
    assert found.cause and found.what and found.next
