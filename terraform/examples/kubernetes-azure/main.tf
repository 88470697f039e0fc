# No secret anywhere: the cluster says who the pod is, and Entra takes its word that it is the application, which also opens the vault.

data "azurerm_client_config" "current" {}

data "azurerm_kubernetes_cluster" "this" {
  name                = var.cluster.name
  resource_group_name = var.cluster.resource_group_name

  lifecycle {
    postcondition {
      condition     = self.oidc_issuer_enabled
      error_message = "The cluster has no OIDC issuer: az aks update --enable-oidc-issuer --enable-workload-identity."
    }
  }
}

module "application" {
  source = "../../modules/entra-application"

  display_name            = var.name
  application_permissions = ["imap", "smtp"]
  federated_credentials = {
    "aks-${var.namespace}-${var.service_account}" = {
      issuer      = data.azurerm_kubernetes_cluster.this.oidc_issuer_url
      subject     = "system:serviceaccount:${var.namespace}:${var.service_account}"
      description = "The pods of emailproxy in the cluster ${var.cluster.name}."
    }
  }
}

module "vault" {
  source = "../../modules/azure-key-vault"

  name                  = var.vault_name
  resource_group_name   = var.cluster.resource_group_name
  location              = data.azurerm_kubernetes_cluster.this.location
  proxies               = { application = module.application.service_principal_object_id }
  secret_officers       = { administrator = data.azurerm_client_config.current.object_id }
  public_network_access = true
  allowed_ip_ranges     = var.administrator_ip_ranges
  allowed_subnet_ids    = [var.cluster_subnet_id]
  seal_key              = var.seal_key
  seal_key_version      = var.seal_key_version
}

module "configuration" {
  source = "../../modules/configuration"

  ports            = { imap = 1993, smtp = 1587 }
  mail_provider    = "office365"
  accounts         = { for mailbox in var.mailboxes : mailbox => {} }
  account_defaults = merge(module.application.account, { client_assertion = "workload-identity" })
  settings         = merge(module.vault.seal_key == null ? {} : { seal_key = module.vault.seal_key }, var.settings)
  cache_store      = module.vault.cache_store
  extras           = module.vault.extras
  next_steps = [
    "Give the application access to the mailboxes, as an Exchange administrator: ${module.exchange.command}",
    "Install the chart: tofu output -raw helm_values > values.yaml && helm upgrade --install emailproxy infra/helm/emailproxy --namespace ${var.namespace} --create-namespace --values values.yaml (docs/deploy/kubernetes.md)",
  ]
}

module "exchange" {
  source = "../../modules/exchange-access"

  organization                = var.organization
  client_id                   = module.application.client_id
  service_principal_object_id = module.application.service_principal_object_id
  mailboxes                   = { for mailbox in var.mailboxes : mailbox => {} }
}
