"""Google's Cloud Billing API: billing accounts, which projects they bill, and the catalogue of list prices.

Answers are given as the REST API writes them, whatever the transport: gRPC, or REST where an address is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from finops_ai.world.google import READ_SECONDS, RETRY_SECONDS, client_arguments, google_errors
from finops_ai.world.secrets import Secrets

if TYPE_CHECKING:
    from google.cloud.billing_v1 import CloudBillingClient, CloudCatalogClient

PAGE_SKUS = 5000
EMULATOR = "FINOPS_GCP_BILLING_URL"
"""Environment variable that names another address of the API than Google's."""

_REMEDIES = {
    401: "not signed in: set GOOGLE_APPLICATION_CREDENTIALS or run where a service account is attached",
    403: "access denied: switch the Cloud Billing API on; accounts also need Billing Account Viewer",
    404: "no such billing account, project or service",
}

Answer = dict[str, Any]


class CloudBilling:
    def __init__(self, secrets: Secrets, *, endpoint_url: str | None = None) -> None:
        self._secrets = secrets
        self._endpoint_url = endpoint_url
        self._accounts: CloudBillingClient | None = None
        self._catalog: CloudCatalogClient | None = None

    def account(self, account: str) -> Answer:
        """The billing account of that id: name, open, displayName, currencyCode where told. Raises Unavailable."""
        with self._told(f"billing account {account}"):
            return _plain(self._billing().get_billing_account(name=f"billingAccounts/{account}", **self._patience()))

    def accounts(self) -> list[Answer]:
        """Every billing account that the identity may see. Raises Unavailable."""
        with self._told("billing accounts"):
            return [_plain(found) for found in self._billing().list_billing_accounts(**self._patience())]

    def projects(self, account: str) -> list[Answer]:
        """The projects that the account bills now: projectId, billingEnabled. Raises Unavailable."""
        with self._told(f"billing account {account}"):
            listed = self._billing().list_project_billing_info(name=f"billingAccounts/{account}", **self._patience())
            return [_plain(found) for found in listed]

    def services(self) -> list[Answer]:
        """The services of the catalogue: name, serviceId, displayName. Raises Unavailable."""
        with self._told("the catalogue"):
            return [_plain(found) for found in self._catalogue().list_services(**self._patience())]

    def skus(self, service: str, currency: str) -> Iterator[Answer]:
        """The SKUs of a service (`services/ID`) with their newest prices in `currency`. Raises Unavailable."""
        from google.cloud.billing_v1 import ListSkusRequest

        with self._told(f"the catalogue of {service}"):
            request = ListSkusRequest(parent=service, currency_code=currency, page_size=PAGE_SKUS)
            for sku in self._catalogue().list_skus(request=request, **self._patience()):
                yield _plain(sku)

    def _billing(self) -> CloudBillingClient:
        """Made when first needed, because gRPC is slow to import."""
        if self._accounts is None:
            from google.cloud.billing_v1 import CloudBillingClient
            from google.cloud.billing_v1.services.cloud_billing.transports import CloudBillingRestTransport

            self._accounts = CloudBillingClient(transport=self._transport(CloudBillingRestTransport))
        return self._accounts

    def _catalogue(self) -> CloudCatalogClient:
        if self._catalog is None:
            from google.cloud.billing_v1 import CloudCatalogClient
            from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogRestTransport

            self._catalog = CloudCatalogClient(transport=self._transport(CloudCatalogRestTransport))
        return self._catalog

    def _transport(self, rest: type[Any]) -> Any:
        arguments = client_arguments(self._endpoint_url, EMULATOR)
        if "client_options" not in arguments:
            return "grpc"
        address = urlsplit(arguments["client_options"]["api_endpoint"])
        with self._told("the Cloud Billing API"):
            return rest(host=address.netloc, url_scheme=address.scheme, credentials=arguments.get("credentials"))

    def _patience(self) -> dict[str, Any]:
        from google.api_core.exceptions import ServiceUnavailable
        from google.api_core.retry import Retry, if_exception_type

        retry = Retry(predicate=if_exception_type(ServiceUnavailable), timeout=RETRY_SECONDS)
        return {"retry": retry, "timeout": READ_SECONDS}

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        with google_errors(what, _REMEDIES, self._secrets):
            yield


def _plain(message: Any) -> Answer:
    answer: Answer = type(message).to_dict(
        message,
        use_integers_for_enums=False,
        preserving_proto_field_name=False,
        always_print_fields_with_no_presence=False,
    )
    return answer
