package finops.accelerators_test

import data.finops.accelerators

pod(amount) := {"request": {"operation": "CREATE", "object": {"kind": "Pod", "spec": {"containers": [{
	"name": "main",
	"resources": {"limits": {"nvidia.com/gpu-memory": amount}},
}]}}}}

denied(document) if count(accelerators.deny) == 1 with input as document

allowed(document) if count(accelerators.deny) == 0 with input as document

test_up_to_the_maximum if {
	every amount in [16, "16", "16.0", "16G", "16000M", "15.9e0", "14Gi", 0] { allowed(pod(amount)) }
}

test_over_the_maximum if {
	every amount in [17, "17", "17Gi", "16Gi", "16001M", "1e2", "1E2", "20000m", "1T"] { denied(pod(amount)) }
}

test_amounts_that_cannot_be_read if {
	every amount in ["", " 17", "-1", -1, "16GB", "many", true, null, [8], {"a": 8}, "0x11"] { denied(pod(amount)) }
}

test_requests_count_too if denied({"request": {"object": {"kind": "Pod", "spec": {"initContainers": [{
	"name": "warm-up",
	"resources": {"requests": {"nvidia.com/gpu-memory": "80Gi"}},
}]}}}})

test_maximum_is_configurable if allowed(pod("80Gi")) with data.finops.gpu.max_memory_gb as 96

test_unusable_configuration_denies if denied(pod(1)) with data.finops.gpu.max_memory_gb as "96"

test_no_object_is_denied if denied({"request": {"object": "text"}})

test_limit_ranges_are_free if allowed({"request": {"object": {
	"kind": "LimitRange",
	"spec": {"limits": [{"type": "Container", "max": {"nvidia.com/gpu-memory": "80Gi"}}]},
}}})
