terraform {
  # 1.11: ephemeral values and write-only arguments, in Terraform and in OpenTofu.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
      # 4.55.0 is the version whose schema this module is checked against.
      version = ">= 4.55.0, < 5.0.0"
    }
    time = {
      source  = "hashicorp/time"
      version = ">= 0.13.0, < 1.0.0"
    }
  }
}
