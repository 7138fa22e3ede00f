package finops.cost_tags_test

import data.finops.cost_tags

workload(kind, metadata) := {"request": {
	"operation": "CREATE",
	"kind": {"kind": kind},
	"object": {"kind": kind, "metadata": metadata, "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}}},
}}

paid := {"name": "m", "labels": {"finops.apexlogic.com/cost-center": "ml"}}

denied(document) if count(cost_tags.deny) == 1 with input as document

test_labelled_workload_is_allowed if count(cost_tags.deny) == 0 with input as workload("Deployment", paid)

test_missing_label if denied(workload("Deployment", {"labels": {"app": "x"}}))

test_missing_labels_map if denied(workload("StatefulSet", {"name": "m"}))

test_blank_label if denied(workload("Job", {"labels": {"finops.apexlogic.com/cost-center": " \t"}}))

test_no_break_space if denied(workload("Job", {"labels": {"finops.apexlogic.com/cost-center": "\u00a0"}}))

test_custom_resource_with_pod_template if denied(workload("RolloutOfMine", {}))

test_other_objects_are_free if {
	count(cost_tags.deny) == 0 with input as {"request": {"object": {"kind": "Service", "spec": {"ports": []}}}}
}

test_no_object_is_denied if denied({"request": {"operation": "UPDATE", "object": null}})

test_deletion_is_free if count(cost_tags.deny) == 0 with input as {"request": {"operation": "DELETE", "object": null}}

test_label_key_is_configurable if {
	count(cost_tags.deny) == 0 with input as workload("Pod", {"labels": {"team": "ml"}})
		with data.finops.labels.cost_center as "team"
}

test_unlabelled_template_is_a_warning if {
	count(cost_tags.warn) == 1 with input as workload("Deployment", paid)
}
