# METADATA
# title: Cost tags
# description: Every workload names the cost center that pays for it, in a label on the object itself.
package finops.cost_tags

default label_key := "finops.apexlogic.com/cost-center"

label_key := data.finops.labels.cost_center

workload_kinds := {
	"CronJob", "DaemonSet", "Deployment", "InferenceService", "Job", "Pod", "PodTemplate",
	"ReplicaSet", "ReplicationController", "StatefulSet",
}

controllers := {"system:kube-controller-manager", "system:serviceaccount:kube-system:"}

subject := input.request.object

name := subject.metadata.name

default resource := ""

resource := name if is_string(name)

deny contains {"msg": msg, "resource": resource} if {
	is_object(subject)
	is_workload
	not made_by_controller
	not labelled(subject.metadata)
	msg := sprintf("the label %v is missing, blank or not a label value: no cost center pays for this workload", [label_key])
}

deny contains {"msg": "the request holds no object that could be judged", "resource": resource} if {
	not is_object(subject)
	not without_object
}

warn contains {"msg": msg, "resource": resource} if {
	is_workload
	labelled(subject.metadata)
	some template in templates
	not labelled(object.get(template, "metadata", {}))
	msg := sprintf("the pod template has no label %v: cost by pod will be untagged", [label_key])
}

is_workload if subject.kind in workload_kinds

is_workload if input.request.kind.kind in workload_kinds

is_workload if count(templates) > 0

is_workload if subject.spec.containers

# Every pod template, however deep: custom resources hold several.
templates contains template if {
	some path, template
	walk(subject, [path, template])
	path[0] == "spec"
	template.spec.containers
}

# The syntax of a label value, not empty: blanks of any alphabet, numbers and lists are none.
labelled(metadata) if {
	label := metadata.labels[label_key]
	is_string(label)
	regex.match(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`, label)
}

# What a controller of the cluster makes was judged when its owner was; nobody else can write as that user.
made_by_controller if {
	some owner in subject.metadata.ownerReferences
	owner.controller == true
	some user in controllers
	startswith(input.request.userInfo.username, user)
}

without_object if input.request.operation in {"CONNECT", "DELETE"}
