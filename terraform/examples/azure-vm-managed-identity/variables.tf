variable "subscription_id" {
  description = "The Azure subscription."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region."
  type        = string
  default     = "germanywestcentral"
  nullable    = false
}

variable "name" {
  description = "The beginning of all names here."
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

variable "ssh_public_key" {
  description = "Your public SSH key (RSA or Ed25519)."
  type        = string
  nullable    = false
}

variable "administrator_ip_ranges" {
  description = "Your own public address or addresses: from there Terraform writes the service key into the vault, and `emailproxy passwords` reaches it."
  type        = set(string)
  nullable    = false
}

variable "address_space" {
  description = "The range of the virtual network that is made here."
  type        = string
  default     = "10.77.0.0/24"
  nullable    = false
}

variable "encryption_at_host" {
  description = "See the module azure-vm."
  type        = bool
  default     = true
  nullable    = false
}

variable "client_ranges" {
  description = "The networks (CIDR) whose mail clients may connect: your office's, as it arrives here by VPN or peering."
  type        = set(string)
  default     = ["10.0.0.0/8"]
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

variable "tls" {
  description = "The certificate that mail clients see: references such as `azure:VAULT/secrets/NAME`, see the module configuration. `null`: none; then keep the proxy to networks that you trust."
  type = object({
    certificate = string
    key         = optional(string)
    starttls    = optional(bool, false)
  })
  default = null
}

variable "settings" {
  description = "Further options of `[emailproxy]`, such as `seal_key_previous` (a reference) or `notify_url` (a reference)."
  type        = map(string)
  default     = {}
  nullable    = false
}
