"""Service Quotas and the Price List API."""

import hashlib
import json
from typing import Any, Dict, Iterator, List

from .account import ACCOUNT_ID, REGION, Account, default_quotas
from .aws_error import AwsError

# USD an hour of training on demand, by region; a type that is not here has no price
PRICES = {
    "eu-west-1": {
        "ml.m5.large": 0.128,
        "ml.m5.xlarge": 0.257,
        "ml.c5.xlarge": 0.23,
        "ml.c5.2xlarge": 0.461,
        "ml.g4dn.xlarge": 0.822,
        "ml.g5.xlarge": 1.57,
    },
    "us-east-1": {
        "ml.m5.large": 0.115,
        "ml.m5.xlarge": 0.23,
        "ml.c5.xlarge": 0.204,
        "ml.c5.2xlarge": 0.408,
        "ml.g4dn.xlarge": 0.7364,
        "ml.g5.xlarge": 1.408,
        "ml.g6.xlarge": 1.127,
    },
}
PRICE_REGIONS = ("us-east-1", "eu-central-1", "ap-south-1")  # that have this API
COMPONENTS = {"Training": 1.0, "Hosting": 1.1, "Processing": 1.2}


class QuotaApi:
    def __init__(self, account: Account) -> None:
        self._account = account

    def ListServiceQuotas(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        names = default_quotas() if self._account.lists_own_quotas else {}
        return self._page(parameters, {name: self._account.quota(name) for name in names})

    def ListAWSDefaultServiceQuotas(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        return self._page(parameters, default_quotas())

    def _page(self, parameters: Dict[str, Any], quotas: Dict[str, float]) -> Dict[str, Any]:
        if parameters["ServiceCode"] != "sagemaker":
            raise AwsError(
                "NoSuchResourceException", "The request failed because the specified service does not exist."
            )
        result = [_quota(name, value) for name, value in sorted(quotas.items())]
        return _cut(result, "Quotas", parameters, size=100)


def _quota(name: str, value: float) -> Dict[str, Any]:
    code = "L-" + hashlib.sha256(name.encode()).hexdigest()[:8].upper()
    return {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:{REGION}:{ACCOUNT_ID}:sagemaker/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


class PriceApi:
    def GetProducts(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        if parameters["ServiceCode"] != "AmazonSageMaker":
            raise AwsError("NotFoundException", "Service not found: " + parameters["ServiceCode"])
        found = [
            json.dumps(product)
            for product in _products()
            if all(
                product["product"]["attributes"].get(wanted["Field"]) == wanted["Value"]
                for wanted in parameters.get("Filters", [])
            )
        ]
        return dict(_cut(found, "PriceList", parameters, size=100), FormatVersion="aws_v1")


def _products() -> Iterator[Dict[str, Any]]:
    for region, prices in PRICES.items():
        for instance_type, usd in prices.items():
            for component, factor in COMPONENTS.items():
                sku = hashlib.sha256((region + instance_type + component).encode()).hexdigest()[:16].upper()
                yield {
                    "product": {
                        "productFamily": "ML Instance",
                        "sku": sku,
                        "attributes": {
                            "servicecode": "AmazonSageMaker",
                            "regionCode": region,
                            "instanceName": instance_type,
                            "instanceType": f"{instance_type}-{component}",
                            "component": component,
                        },
                    },
                    "serviceCode": "AmazonSageMaker",
                    "terms": {
                        "OnDemand": {
                            sku + ".JRTCKXETXF": {
                                "priceDimensions": {
                                    sku + ".JRTCKXETXF.6YS6EN2CT7": {
                                        "unit": "Hrs",
                                        "description": f"${usd * factor} per hour for {instance_type}",
                                        "pricePerUnit": {"USD": f"{usd * factor:.10f}"},
                                    }
                                }
                            }
                        }
                    },
                }


def _cut(items: List[Any], name: str, parameters: Dict[str, Any], *, size: int) -> Dict[str, Any]:
    start = int(parameters.get("NextToken", "0"))
    end = start + min(parameters.get("MaxResults", size), size)
    page: Dict[str, Any] = {name: items[start:end]}
    if end < len(items):
        page["NextToken"] = str(end)
    return page
