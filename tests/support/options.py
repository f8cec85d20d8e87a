"""Every option of mlship.yaml for one's own platform: each alone, and as many as go together."""

PROMETHEUS = {"server": "http://prometheus:9090", "query": 'sum(rate(x{a="b"}[1m]))',
              "threshold": "50"}  # fmt: skip
# Files of the user's own in k8s/patches.
PATCH_FILES = {
    "sidecar.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: iris}\n"
    "spec: {template: {metadata: {annotations: {team: vision}}}}\n",
    "steps.yml": "- {op: replace, path: /spec/revisionHistoryLimit, value: 2}\n",
    "port.yaml": '- {op: add, path: /metadata/annotations, value: {cost: "7"}}\n',
}
OPTIONS = {
    "none": {},
    "ingress": {"ingress": {"host": "iris.example.com"}},
    "ingress-full": {
        "ingress": {
            "host": "iris.example.com", "path": "/predict", "class": "nginx", "tls_secret": "tls",
            "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "16m",
                            "example.com/note": "a: \"b\" # c\nd"},
        }
    },
    "gateway": {
        "gateway": {"name": "shared", "namespace": "gateways", "section": "https",
                    "hostnames": ["iris.example.com", "*.models.example.com"]}
    },
    "own-gateway": {
        "gateway": {"class": "eg", "tls_secret": "tls", "hostnames": ["a.example.com"]}
    },
    "image-pull-secrets": {"image_pull_secrets": ["registry", "123"]},
    "env-from": {"env_from": {"secrets": ["storage", "123"], "config_maps": ["flags"]}},
    "env": {
        "env": {
            "REGION": "north", "EMPTY": "", "ODD": "yes: \"no\" # {{ 1 }}\n$", "ONE": "1",
            "TOKEN": {"secret": "api", "key": "token"},
            "LIMIT": {"config_map": "limits", "key": "limit.most"},
        }
    },
    "nodes": {
        "node_selector": {"pool": "gpu", "example.com/fast": "true"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "spot", "value": "true", "effect": "NoExecute", "toleration_seconds": 60},
            {"operator": "Exists"},
        ],
        "priority_class": "important",
    },
    "gpu": {"gpu": 2},
    "other-gpu": {"gpu": 1, "gpu_resource": "amd.com/gpu"},
    "service-monitor": {"monitoring": {"labels": {"release": "prometheus"}}},
    "pod-monitor": {"monitoring": {"kind": "pod-monitor", "interval": "1m30s"}},
    "keda": {"keda": {"triggers": [{"prometheus": PROMETHEUS}]}},
    "keda-full": {
        "keda": {
            "polling_interval": 15,
            "cooldown_period": 60,
            "triggers": [
                {"type": "cron", "metadata": {"timezone": "Europe/Berlin", "start": "0 8 * * *",
                                              "end": "0 18 * * *", "desiredReplicas": "4"}},
                {"type": "prometheus", "name": "rate", "metricType": "AverageValue",
                 "metadata": {"serverAddress": "http://p:9090", "query": "x", "threshold": "1"},
                 "useCachedMetrics": True, "authenticationRef": {"name": "auth"}},
                {"prometheus": PROMETHEUS, "authenticationRef": {"name": "auth"}},
            ],
        }
    },
    "pvc": {"model": {"source": "pvc://models/iris/v 1/iris.onnx"}},
    "https": {"model": {"source": "https://models.example.com:8443/iris.onnx?version=3&x=1"}},
    "http": {"model": {"source": "http://minio.storage/iris.onnx", "size_limit": "3Gi"}},
    "s3": {"model": {"source": "s3://models/a dir/iris.onnx".replace(" ", "-")}},
    "gs": {"model": {"source": "gs://models/iris.onnx", "fetch_image": "example.com/gcloud:1"}},
    "patches": {"patches": ["sidecar.yaml", "steps.yml", {"file": "port.yaml", "kind": "Service"}]},
}  # fmt: skip


def _together(*names: str) -> dict:
    return {key: value for name in names for key, value in OPTIONS[name].items()}


OPTIONS["all"] = _together(
    "ingress-full", "gateway", "image-pull-secrets", "env-from", "env", "nodes", "gpu",
    "service-monitor", "keda-full", "https", "patches",
)  # fmt: skip
OPTIONS["all-others"] = _together(
    "ingress", "own-gateway", "image-pull-secrets", "env-from", "env", "nodes", "other-gpu",
    "pod-monitor", "s3", "patches",
)  # fmt: skip
