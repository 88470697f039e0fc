variable "prefix" {
  description = "Begins the names of the accounts' secrets; ends with a slash. Nothing else may be kept under it."
  type        = string
  default     = "emailproxy/"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=.@-][A-Za-z0-9/_+=.@-]{0,457}/$", var.prefix))
    error_message = "prefix has letters, digits and /_+=.@- and ends with a slash, which makes it one secret for each account."
  }
}

variable "role_names" {
  description = "The IAM roles that the proxy runs with, which get the policy."
  type        = set(string)
  nullable    = false
}

variable "accounts" {
  description = "Accounts whose secrets are created here, without a value, instead of by the proxy: the only way to have them replicated. Mail addresses, in the accounts' own case."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for account in var.accounts : can(regex("^[A-Za-z0-9_+=.@-]+$", account))])
    error_message = "Each of accounts has only letters, digits and _+=.@-; the proxy keeps others under a hash of their name, so leave them to it."
  }
  validation {
    condition     = alltrue([for account in var.accounts : !can(regex("-.{6}$", account)) && !can(regex("^[a-z2-7]{52}$", account))])
    error_message = "An account whose name ends with a hyphen and six characters looks like the end of an ARN; the proxy keeps it under a hash, so leave it to it."
  }
}

variable "proxy_creates_secrets" {
  description = "Whether the proxy may create the secrets of accounts that have none."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.proxy_creates_secrets || length(var.accounts) > 0
    error_message = "Without proxy_creates_secrets, accounts must name those whose secrets are created here."
  }
}

variable "replica_regions" {
  description = "Regions that the secrets of `accounts` are replicated to, each with a KMS key there (`null`: the one of AWS)."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for region in keys(var.replica_regions) : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "The keys of replica_regions are regions, such as eu-west-1."
  }
  validation {
    condition     = length(var.replica_regions) == 0 || length(var.accounts) > 0
    error_message = "Only secrets that are created here can be replicated: name them in accounts."
  }
}

variable "kms_key" {
  description = "Whether the secrets get a key of their own. Otherwise they have the one of AWS, whose use cannot be restricted to the proxy."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_administrators" {
  description = "ARNs of those who administer the key. Without any, it is whoever the account lets by IAM."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.kms_administrators : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/", arn))])
    error_message = "Each of kms_administrators is the ARN of a role or a user."
  }
}

variable "recovery_window_in_days" {
  description = "For how long a secret that Terraform removes can be brought back: 7 to 30 days."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30
    error_message = "recovery_window_in_days is from 7 to 30."
  }
}

variable "vpc_endpoint" {
  description = "An interface endpoint of Secrets Manager, so that the proxy needs no way out for it: the VPC, its subnets, and the security groups of the endpoint. `null`: none."
  type = object({
    vpc_id             = string
    subnet_ids         = set(string)
    security_group_ids = set(string)
  })
  default = null
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
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
  nullable    = false
}
