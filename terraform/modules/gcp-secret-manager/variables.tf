variable "project" {
  description = "The project of the secrets. One of its own is the simplest boundary."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is a project's id: 6 to 30 small letters, digits and hyphens."
  }
}

variable "secret_prefix" {
  description = "Begins the names of the accounts' secrets."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,202}$", var.secret_prefix))
    error_message = "secret_prefix has 1 to 202 letters, digits, hyphens and underscores."
  }
}

variable "location" {
  description = "The region of regional secrets, such as `europe-west3`; they and their traffic stay there. `null`: global secrets."
  type        = string
  default     = null

  validation {
    condition     = var.location == null || can(regex("^[a-z]+-[a-z]+[0-9]+$", var.location))
    error_message = "location is a region, such as europe-west3."
  }
}

variable "replication" {
  description = "Where global secrets are kept, such as `[\"europe-west3\", \"europe-west4\"]`. Empty: Google decides."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for place in var.replication : can(regex("^[a-z]+-[a-z]+[0-9]+$", place))])
    error_message = "Each of replication is a region, such as europe-west3."
  }
  validation {
    condition     = length(var.replication) == 0 || var.location == null
    error_message = "Regional secrets are kept in their region; leave replication out."
  }
}

variable "kms_key" {
  description = "Whether new secrets get keys of their own, one for each location. They can never be deleted, only destroyed version by version."
  type        = bool
  default     = false
  nullable    = false
}

variable "members" {
  description = "Who the proxy is: any name, and the member, such as `serviceAccount:mail@my-project.iam.gserviceaccount.com`."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.members) > 0 && alltrue([for member in values(var.members) : can(regex("^(serviceAccount|principal|principalSet):", member))])
    error_message = "members is not empty, and each begins with serviceAccount:, principal: or principalSet:."
  }
}

variable "proxy_creates_secrets" {
  description = "Whether the proxy may create the secrets of accounts that have none."
  type        = bool
  default     = true
  nullable    = false
}

variable "role_id" {
  description = "The id of the custom role, unique in the project; a deleted one is taken for 37 days."
  type        = string
  default     = "emailproxyStore"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.]{3,58}$", var.role_id))
    error_message = "role_id has 3 to 58 letters, digits, underscores and dots."
  }
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

variable "labels" {
  description = "Labels of everything that is made here and takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}
