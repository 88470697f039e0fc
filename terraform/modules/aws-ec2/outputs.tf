output "role_name" {
  description = "The role's name, for the stores' policies."
  value       = aws_iam_role.this.name
}

output "role_arn" {
  description = "The role's ARN: the subject of a federated credential in Entra."
  value       = aws_iam_role.this.arn
}

output "instance_id" {
  description = "The machine's id, as in `aws ssm start-session --target ID`."
  value       = aws_instance.this.id
}

output "private_ip" {
  description = "The address that mail clients in the network connect to."
  value       = aws_instance.this.private_ip
}

output "security_group_id" {
  description = "The machine's security group, for instance to let it reach a VPC endpoint."
  value       = aws_security_group.this.id
}

output "user_data" {
  description = "The user data (cloud-init) that the machine starts with."
  value       = local.user_data
}
