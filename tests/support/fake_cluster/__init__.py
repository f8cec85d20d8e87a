"""A Kubernetes cluster that is played: what the real kubectl needs of an API server, in a thread.

    def test_deploy(fake_cluster):
        fake_cluster.play("iris:2", scenarios.crash_loop())  # by part of the image's name
        kubectl("apply", "--server-side", "-f", manifest)    # the real one
        fake_cluster.wait(lambda: fake_cluster.objects("Pod", "ml"))

See ``FakeCluster`` for all that a test can do with it, ``Scenario`` for how pods live, and
``scenarios`` for those that are ready. The fixture sets KUBECONFIG and KUBECACHEDIR; without it,
``environment`` has both.

Simpler than a real one:
- of all that a real one validates, only unknown fields, text for numbers, and the few rules of
  ``validation``; ``fail`` plays the others.
- ownership knows lists by key and atomic maps from two tables (``fields``).
- tables: ``kubectl get`` without --output shows name and age only.
- one node, which takes every pod that its scenario doesn't refuse; a pod's containers live alike.
- nothing is looked up: a scenario says that a secret is missing, whether or not there is one.
- of what kubectl sends as protobuf, namespaces, secrets, config maps, service accounts and the
  questions of ``auth`` are read; ``kubectl create deployment`` is refused, ``create -f`` is not.
- no Endpoints, quota counts, metrics; autoscalers only keep their bounds.
"""

from tests.support.fake_cluster import scenarios
from tests.support.fake_cluster.cluster import FakeCluster, node
from tests.support.fake_cluster.scenario import Note, Scenario, Step

__all__ = ["FakeCluster", "Note", "Scenario", "Step", "node", "scenarios"]
