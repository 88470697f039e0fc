terraform {
  # 1.11: ephemeral values, in Terraform and in OpenTofu.
  required_version = ">= 1.11.0, < 2.0.0"
}
