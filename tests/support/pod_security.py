"""Pod Security Standards, level `restricted`, as rules over a pod's spec.

https://kubernetes.io/docs/concepts/security/pod-security-standards/: each rule of `baseline` and
`restricted`, in the page's order.
"""

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
            "projected", "secret"}  # fmt: skip
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip
_SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_SECCOMP = {"RuntimeDefault", "Localhost"}


def violations(pod: dict) -> list[str]:
    """Return what `restricted` forbids in a pod's spec, as ``place: what``."""
    found = []
    own = pod.get("securityContext", {})
    places = [("pod", own)]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, []):
            security = container.get("securityContext", {})
            places.append((container["name"], security))
            found += [f"{container['name']}: {each}" for each in _container(container, own)]
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            found.append(f"pod: {name}")
    for volume in pod.get("volumes", []):
        found += [
            f"volume {volume['name']}: {kind}" for kind in volume.keys() - {"name"} - _VOLUMES
        ]
    found += [
        f"pod: sysctl {s['name']}" for s in own.get("sysctls", []) if s["name"] not in _SYSCTLS
    ]
    for place, security in places:
        if security.get("windowsOptions", {}).get("hostProcess"):
            found.append(f"{place}: hostProcess")
        if security.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in _SECCOMP:
            found.append(f"{place}: AppArmor")
        selinux = security.get("seLinuxOptions", {})
        if selinux.get("type") not in _SELINUX or selinux.get("user") or selinux.get("role"):
            found.append(f"{place}: SELinux")
        if security.get("runAsUser") == 0:
            found.append(f"{place}: runAsUser 0")
        if security.get("runAsNonRoot") is False:
            found.append(f"{place}: runAsNonRoot")
    return found


def _container(container: dict, pod: dict) -> list[str]:
    found = []
    own = container.get("securityContext", {})
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        found.append("privileged")
    if own.get("procMount", "Default") != "Default":
        found.append("procMount")
    if any(port.get("hostPort") for port in container.get("ports", [])):
        found.append("hostPort")
    probes = [container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")]
    probes += container.get("lifecycle", {}).values()
    if any(p.get(kind, {}).get("host") for p in probes for kind in ("httpGet", "tcpSocket")):
        found.append("a probe's host")
    if own.get("allowPrivilegeEscalation") is not False:
        found.append("allowPrivilegeEscalation")
    if "ALL" not in capabilities.get("drop", []):
        found.append("capabilities.drop")
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        found.append("capabilities.add")
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        found.append("runAsNonRoot")
    if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in _SECCOMP:
        found.append("seccompProfile")
    return found
