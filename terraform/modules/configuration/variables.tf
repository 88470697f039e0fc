variable "ports" {
  description = "The port that mail clients connect to, for each protocol that is served: `imap`, `pop`, `smtp`. Ports from 1024 need no privilege."
  type        = map(number)
  default     = { imap = 1993, smtp = 1587 }
  nullable    = false

  validation {
    condition     = length(var.ports) > 0 && alltrue([for protocol in keys(var.ports) : contains(["imap", "pop", "smtp"], protocol)])
    error_message = "ports names at least one protocol, and only imap, pop and smtp."
  }
  validation {
    condition     = alltrue([for port in values(var.ports) : port >= 1 && port <= 65535 && floor(port) == port])
    error_message = "Each of ports is a whole number from 1 to 65535."
  }
  validation {
    condition     = length(distinct(values(var.ports))) == length(var.ports)
    error_message = "Two protocols cannot share a port."
  }
}

variable "mail_provider" {
  description = "Whose mail servers and token endpoints are meant: a name that `emailproxy sample-config` knows."
  type        = string
  default     = "office365"
  nullable    = false

  validation {
    condition = contains(
      ["office365", "outlook", "gmail", "workspace", "fastmail", "yahoo", "aol", "21vianet", "us-gov"], var.mail_provider
    )
    error_message = "mail_provider is one of office365, outlook, gmail, workspace, fastmail, yahoo, aol, 21vianet and us-gov."
  }
}

variable "local_address" {
  description = "The address to listen at. `null`: every interface of the machine."
  type        = string
  default     = null
}

variable "tls" {
  description = <<-EOT
    The certificate that mail clients see: `certificate` (with its chain) and `key` are paths on the machine, or references such as
    `azure:VAULT/secrets/NAME`, `aws:NAME`, `gcp:projects/P/secrets/S`. Without `key` it is in the certificate's file. With `starttls` clients begin in
    plain text. `null`: no TLS towards mail clients, and passwords cross the network in the clear.
  EOT
  type = object({
    certificate = string
    key         = optional(string)
    starttls    = optional(bool, false)
  })
  default = null
}

variable "accounts" {
  description = "The accounts: a mail address, and the options of its section where they differ from `account_defaults`. `@example.com` stands for all accounts of a domain."
  type        = map(map(string))
  nullable    = false

  validation {
    condition     = length(var.accounts) > 0 && alltrue([for name in keys(var.accounts) : can(regex("^[^@\\s\\[\\]]*@[^@\\s\\[\\]]*$", name))])
    error_message = "accounts is not empty, and each key is a mail address (or @example.com for a whole domain)."
  }
  validation {
    condition     = alltrue(flatten([for account in values(var.accounts) : [for value in values(account) : !can(regex("[\\r\\n]", value))]]))
    error_message = "The value of an option is one line."
  }
  validation {
    condition     = !anytrue(flatten([for account in values(var.accounts) : [for option in keys(account) : contains(["client_secret", "access_token", "refresh_token"], option) && !can(regex("^(azure|aws|gcp|file|env):", account[option]))]]))
    error_message = "A secret must not be written here, since it would stand in the state: give a reference to it, such as azure:VAULT/secrets/NAME."
  }
}

variable "account_defaults" {
  description = "Options that each account gets which does not say otherwise; as the outputs `account` of other modules have them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for value in values(var.account_defaults) : !can(regex("[\\r\\n]", value))])
    error_message = "The value of an option is one line."
  }
  validation {
    condition     = can(regex("^(azure|aws|gcp|file|env):", lookup(var.account_defaults, "client_secret", "env:NONE")))
    error_message = "A secret must not be written here, since it would stand in the state: give a reference to it, such as azure:VAULT/secrets/NAME."
  }
}

variable "settings" {
  description = "Options of the section `[emailproxy]`, such as `seal_key` (a reference) or `drain`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for value in values(var.settings) : !can(regex("[\\r\\n]", value))])
    error_message = "The value of an option is one line."
  }
  validation {
    condition     = can(regex("^(azure|aws|gcp|file|env):", lookup(var.settings, "seal_key", "env:NONE")))
    error_message = "settings.seal_key is a reference to the service key, never the key itself."
  }
}

variable "cache_store" {
  description = "Where the proxy keeps tokens (`--cache-store`), as the outputs `cache_store` of the store modules have it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(azure|aws|gcp|file):\\S+$", var.cache_store))
    error_message = "cache_store begins with azure:, aws:, gcp: or file: and has no blanks."
  }
}

variable "extras" {
  description = "What to install beside the proxy itself: the extras of its Python package."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for extra in var.extras : can(regex("^[a-z0-9-]+$", extra))])
    error_message = "An extra is written with small letters, digits and hyphens, as in azure."
  }
}

variable "next_steps" {
  description = "What a person still has to do; `emailproxy deploy-config` prints it."
  type        = list(string)
  default     = []
  nullable    = false
}
