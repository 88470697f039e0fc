variable "organization" {
  description = "The tenant's primary domain, such as `example.onmicrosoft.com`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$", var.organization))
    error_message = "organization is a domain, such as example.onmicrosoft.com."
  }
}

variable "client_id" {
  description = "The application's client id."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.client_id))
    error_message = "client_id is a GUID: the application's client id."
  }
}

variable "service_principal_object_id" {
  description = "The object id of the application's service principal (its enterprise application). The object id of the registration is another one, with which Exchange accepts the commands and refuses the logins."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", var.service_principal_object_id))
    error_message = "service_principal_object_id is a GUID: the object id of the enterprise application."
  }
  validation {
    condition     = lower(var.service_principal_object_id) != lower(var.client_id)
    error_message = "service_principal_object_id is not the client id; it is the object id under Enterprise applications."
  }
}

variable "display_name" {
  description = "How the service principal is called in Exchange."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9 ._-]{1,64}$", var.display_name))
    error_message = "display_name has 1 to 64 letters, digits, blanks, dots, hyphens and underscores."
  }
}

variable "mailboxes" {
  description = "What may be done with which mailbox: `read` (IMAP, POP: full access), `send` (SMTP: send as, and SMTP AUTH switched on for the mailbox)."
  type = map(object({
    read = optional(bool, true)
    send = optional(bool, true)
  }))
  nullable = false

  validation {
    condition     = length(var.mailboxes) > 0 && alltrue([for name in keys(var.mailboxes) : can(regex("^[A-Za-z0-9.!#$%&*+/=?^_{|}~-]+@[A-Za-z0-9.-]+$", name))])
    error_message = "mailboxes is not empty, and each key is a mail address (without quotation marks)."
  }
  validation {
    condition     = alltrue([for rights in values(var.mailboxes) : rights.read || rights.send])
    error_message = "A mailbox with neither read nor send needs no access; leave it out."
  }
}
