package backup

import (
	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
)

// Subjects are what a request is about: ARNs, or names of tables, and the table
// that it fills, if any. None is everything; ok is false for requests of others.
func Subjects(in any) (named []string, fills string, ok bool) {
	switch in := in.(type) {
	case *api.CreateBackupInput:
		return []string{smithy.Val(in.TableName)}, "", true
	case *api.DescribeBackupInput:
		return []string{smithy.Val(in.BackupArn)}, "", true
	case *api.DeleteBackupInput:
		return []string{smithy.Val(in.BackupArn)}, "", true
	case *api.RestoreTableFromBackupInput:
		return []string{smithy.Val(in.BackupArn), smithy.Val(in.TargetTableName)}, smithy.Val(in.TargetTableName), true
	case *api.RestoreTableToPointInTimeInput:
		source := smithy.Val(in.SourceTableArn)
		if source == "" {
			source = smithy.Val(in.SourceTableName)
		}
		return []string{source, smithy.Val(in.TargetTableName)}, smithy.Val(in.TargetTableName), true
	case *api.UpdateContinuousBackupsInput:
		return []string{smithy.Val(in.TableName)}, "", true
	case *api.DescribeContinuousBackupsInput:
		return []string{smithy.Val(in.TableName)}, "", true
	case *api.ExportTableToPointInTimeInput:
		return []string{smithy.Val(in.TableArn)}, "", true
	case *api.DescribeExportInput:
		return []string{smithy.Val(in.ExportArn)}, "", true
	case *api.ImportTableInput:
		return []string{importedTable(in) + "/import/*"}, "", true
	case *api.DescribeImportInput:
		return []string{smithy.Val(in.ImportArn)}, "", true
	case *api.ListBackupsInput, *api.ListExportsInput, *api.ListImportsInput:
		return nil, "", true
	}
	return nil, "", false
}

func importedTable(in *api.ImportTableInput) string {
	if in.TableCreationParameters == nil {
		return ""
	}
	return smithy.Val(in.TableCreationParameters.TableName)
}

// FillActions are what who restores a table must be allowed on it, as AWS says.
func FillActions() []string {
	return []string{
		"dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem",
		"dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
	}
}
