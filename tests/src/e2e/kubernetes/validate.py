# Checks the objects in YAML files against the schemas of Kubernetes and of Prometheus Operator,
# strictly: an unknown field is an error. Prints the objects of each file as JSON.
#
# Arguments: the oldest and the newest version of Kubernetes, and the files.
import json
import sys

import kubernetes_validate
import yaml
from cloudcoil.models.prometheus_operator import v1 as operator


def check(found):
    if found["apiVersion"] == "monitoring.coreos.com/v1":
        model = getattr(operator, found["kind"]).model_validate(found)
        # The model drops unknown fields.
        kept = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if kept != found:
            raise ValueError(f"of {json.dumps(found)} it knows {json.dumps(kept)}")
    else:
        for version in sys.argv[1:3]:
            kubernetes_validate.validate(found, version, strict=True)


files = []
for path in sys.argv[3:]:
    with open(path) as file:
        objects = [found for found in yaml.load_all(file, yaml.CSafeLoader) if found is not None]
    for found in objects:
        try:
            check(found)
        except Exception as error:
            sys.exit(f"{path}: {found['kind']} {found['metadata']['name']}: {error}")
    files.append(objects)
json.dump(files, sys.stdout)
