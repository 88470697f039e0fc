variable "name" {
  description = "The vault's name, unique in the whole cloud."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name has 3 to 24 letters, digits and hyphens, begins with a letter, and has neither a hyphen at the end nor two in a row."
  }
}

variable "resource_group_name" {
  description = "The resource group of the vault."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region, such as `germanywestcentral`."
  type        = string
  nullable    = false
}

variable "secret_prefix" {
  description = "Begins the names of the accounts' secrets."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-z-]{1,74}$", var.secret_prefix))
    error_message = "secret_prefix has 1 to 74 small letters, digits and hyphens."
  }
}

variable "proxies" {
  description = "The identities that the proxy runs with: any name, and the *principal* (object) id of each."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.proxies) > 0
    error_message = "proxies is empty: nobody could keep tokens in the vault."
  }
}

variable "identity_client_id" {
  description = "The *client* id of the managed identity that the proxy asks with; it is part of the output `cache_store`. `null`: what the environment says."
  type        = string
  default     = null
}

variable "secret_officers" {
  description = "Who may write, list and delete the vault's secrets by hand: any name, and the principal id of each. Needed by whoever applies this with a `seal_key`."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "public_network_access" {
  description = "Whether the vault answers outside of private endpoints, to `allowed_ip_ranges` and `allowed_subnet_ids` only."
  type        = bool
  default     = false
  nullable    = false
}

variable "allowed_ip_ranges" {
  description = "Public IPv4 addresses or ranges (CIDR) that may reach the vault."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for range in var.allowed_ip_ranges : can(cidrnetmask(strcontains(range, "/") ? range : "${range}/32"))])
    error_message = "Each of allowed_ip_ranges is an IPv4 address or a range such as 203.0.113.0/28."
  }
  validation {
    condition     = !contains(var.allowed_ip_ranges, "0.0.0.0/0")
    error_message = "0.0.0.0/0 would let everybody reach the vault."
  }
  validation {
    condition     = length(var.allowed_ip_ranges) == 0 || var.public_network_access
    error_message = "allowed_ip_ranges has no effect without public_network_access."
  }
}

variable "allowed_subnet_ids" {
  description = "Subnets with the service endpoint `Microsoft.KeyVault` that may reach the vault."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.allowed_subnet_ids) == 0 || var.public_network_access
    error_message = "allowed_subnet_ids has no effect without public_network_access; service endpoints count as public access."
  }
}

variable "private_endpoint" {
  description = "A private endpoint: its subnet, and the ids of the private DNS zones `privatelink.vaultcore.azure.net`. `null`: none."
  type = object({
    subnet_id            = string
    private_dns_zone_ids = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.private_endpoint != null || var.public_network_access
    error_message = "Nobody could reach the vault: give a private_endpoint, or public_network_access with the subnets and addresses that may."
  }
}

variable "log_analytics_workspace_id" {
  description = "The Log Analytics workspace that hears of every access. `null`: none."
  type        = string
  default     = null
}

variable "soft_delete_retention_days" {
  description = "For how long a deleted secret, or the deleted vault, can be brought back. It cannot be changed later."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.soft_delete_retention_days >= 7 && var.soft_delete_retention_days <= 90
    error_message = "soft_delete_retention_days is from 7 to 90."
  }
}

variable "purge_protection" {
  description = "Whether nobody, not even an owner, can end the retention early. Once on, it cannot be switched off, and the vault's name stays taken after a removal."
  type        = bool
  default     = true
  nullable    = false
}

variable "seal_key" {
  description = "The service key that `emailproxy seal init -` prints. Write-only: it is neither in the plan nor in the state, and needed only when `seal_key_version` changes."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.seal_key == null || can(regex("^seal1_[A-Za-z0-9_-]{43}\\s*$", var.seal_key))
    error_message = "seal_key is what emailproxy seal init - prints: seal1_ and 43 characters."
  }
}

variable "seal_key_version" {
  description = "Raise it to write `seal_key` anew; put the old key first where `seal_key_previous` can refer to it, since it still opens what it sealed. 0: this module keeps no service key."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.seal_key_version >= 0 && floor(var.seal_key_version) == var.seal_key_version
    error_message = "seal_key_version is a whole number from 0."
  }
  validation {
    condition     = var.seal_key_version == 0 || length(var.secret_officers) > 0
    error_message = "Whoever applies this needs the right to write the service key: name them in secret_officers."
  }
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
  nullable    = false
}
