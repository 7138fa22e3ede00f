# METADATA
# title: Accelerators
# description: No container asks for more GPU memory than allowed, in whatever unit it is written.
package finops.accelerators

default max_gb := 16

max_gb := data.finops.gpu.max_memory_gb

default memory_resources := ["nvidia.com/gpu-memory"]

memory_resources := data.finops.gpu.memory_resources

subject := input.request.object

name := subject.metadata.name

default resource := ""

resource := name if is_string(name)

deny contains {"msg": msg, "resource": resource} if {
	some ask in asked
	gigabytes(ask.value) > max_gb
	msg := sprintf("%v asks for %v of GPU memory; at most %v GB is allowed", [ask.who, ask.value, max_gb])
}

deny contains {"msg": msg, "resource": resource} if {
	some ask in asked
	not gigabytes(ask.value)
	msg := sprintf("%v asks for GPU memory in an amount that cannot be read: %v", [ask.who, ask.value])
}

deny contains {"msg": "max_memory_gb is not a number, or memory_resources not a list", "resource": resource} if {
	not configured
}

deny contains {"msg": "the request holds no object that could be judged", "resource": resource} if {
	not is_object(subject)
	not without_object
}

configured if {
	is_number(max_gb)
	is_array(memory_resources)
}

# Wherever it stands below limits or requests: any container, init, ephemeral, pod level, custom resources.
asked contains {"who": who(path), "value": value} if {
	subject.kind != "LimitRange"
	some path, value
	walk(subject, [path, value])
	path[count(path) - 1] in memory_resources
	some step in path
	step in {"limits", "requests"}
}

who(path) := sprintf("container %v", [named[0]]) if {
	named := container_names(path)
	count(named) > 0
} else := concat(".", [sprintf("%v", [step]) | some step in path])

container_names(path) := [container.name |
	some i, step in path
	step == "resources"
	walk(subject, [array.slice(path, 0, i), container])
	is_string(container.name)
]

# A bare number is gigabytes, as in the rule this replaces; a Kubernetes suffix counts bytes.
units := {
	"": 1, "m": 0.001,
	"k": 0.000001, "M": 0.001, "G": 1, "T": 1000, "P": 1000000, "E": 1000000000,
	"Ki": 0.000001024, "Mi": 0.001048576, "Gi": 1.073741824, "Ti": 1099.511627776,
	"Pi": 1125899.906842624, "Ei": 1152921504.606846976,
}

gigabytes(value) := value if {
	is_number(value)
	value >= 0
}

gigabytes(value) := to_number(value) if {
	is_string(value)
	regex.match(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][+]?[0-9]{1,2})?$`, value)
}

gigabytes(value) := to_number(parts[1]) * units[parts[3]] if {
	is_string(value)
	parts := regex.find_all_string_submatch_n(`^((?:0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)$`, value, 1)[0]
}

without_object if input.request.operation in {"CONNECT", "DELETE"}
