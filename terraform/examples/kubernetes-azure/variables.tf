variable "subscription_id" {
  description = "The Azure subscription."
  type        = string
  nullable    = false
}

variable "cluster" {
  description = "The AKS cluster, which is there already, with OIDC issuer and workload identity: `az aks update --enable-oidc-issuer --enable-workload-identity`."
  type = object({
    name                = string
    resource_group_name = string
  })
  nullable = false
}

variable "cluster_subnet_id" {
  description = "The subnet of the cluster's nodes, with the service endpoint `Microsoft.KeyVault`."
  type        = string
  nullable    = false
}

variable "namespace" {
  description = "The namespace that the proxy is installed into."
  type        = string
  default     = "mail"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "The namespace has 1 to 63 small letters, digits and hyphens."
  }
}

variable "service_account" {
  description = "The Kubernetes service account that the proxy runs with."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.service_account))
    error_message = "The service account has 1 to 63 small letters, digits and hyphens."
  }
}

variable "name" {
  description = "What the application is called, and the beginning of other names."
  type        = string
  default     = "emailproxy"
  nullable    = false
}

variable "vault_name" {
  description = "The vault's name, unique in the whole cloud."
  type        = string
  nullable    = false
}

variable "organization" {
  description = "The tenant's primary domain, such as `example.onmicrosoft.com`."
  type        = string
  nullable    = false
}

variable "mailboxes" {
  description = "The mailboxes that devices and programs use: mail addresses."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.mailboxes) > 0
    error_message = "Name at least one of mailboxes."
  }
}

variable "administrator_ip_ranges" {
  description = "Your own public address or addresses: from there Terraform writes the service key into the vault, and `emailproxy passwords` reaches it."
  type        = set(string)
  nullable    = false
}

variable "seal_key" {
  description = "The service key that seals what the proxy keeps: `export TF_VAR_seal_key=$(emailproxy seal init -)`, for the first apply only. Write-only."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "seal_key_version" {
  description = "Raise it to write `seal_key` anew; see the store's module first."
  type        = number
  default     = 1
  nullable    = false
}

variable "tls_secret_name" {
  description = "The Kubernetes secret (type `kubernetes.io/tls`, as cert-manager makes them) with the certificate that mail clients see."
  type        = string
  default     = "emailproxy-tls"
  nullable    = false
}

variable "image" {
  description = "Where you pushed the image that `infra/container` makes: `registry.example.com/emailproxy`."
  type        = string
  nullable    = false
}

variable "settings" {
  description = "Further options of `[emailproxy]`, such as `seal_key_previous` (a reference) or `notify_url` (a reference)."
  type        = map(string)
  default     = {}
  nullable    = false
}
