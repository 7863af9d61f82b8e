package cloudformation

import (
	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/platform/service"
)

const (
	noSets     = "stack sets deploy into several accounts and regions; there is one server here"
	noDrift    = "resources are not compared with what was deployed"
	noRegistry = "there is no registry of types and hooks; resource types are moln's own"
	noScan     = "templates are not generated from existing resources"
	noRefactor = "resources are not moved between stacks"
	noOrg      = "there are no organizations"
	noPolicy   = "stack policies are not enforced, so none is taken"
)

var table = service.Table[*Service]{
	service.Partial(api.CreateStack, (*Service).createStack, "stack policies, rollback triggers, RetainExceptOnCreate and deployment modes besides STANDARD are refused; the first event of an operation is not published to NotificationARNs"),
	service.Partial(api.UpdateStack, (*Service).updateStack, "as CreateStack"),
	service.Partial(api.DeleteStack, (*Service).deleteStack, "the deletion mode FORCE_DELETE_STACK is refused"),
	service.Full(api.DescribeStacks, (*Service).describeStacks),
	service.Full(api.ListStacks, (*Service).listStacks),
	service.Full(api.DescribeStackEvents, (*Service).describeStackEvents),
	service.Full(api.DescribeStackResource, (*Service).describeStackResource),
	service.Full(api.DescribeStackResources, (*Service).describeStackResources),
	service.Full(api.ListStackResources, (*Service).listStackResources),
	service.Full(api.GetTemplate, (*Service).getTemplate),
	service.Partial(api.GetTemplateSummary, (*Service).getTemplateSummary, "no resource identifiers; no stack sets"),
	service.Full(api.ValidateTemplate, (*Service).validateTemplate),
	service.Partial(api.CreateChangeSet, (*Service).createChangeSet, "as CreateStack; imports are refused; changes inside nested stacks are not listed"),
	service.Full(api.DescribeChangeSet, (*Service).describeChangeSet),
	service.Partial(api.ExecuteChangeSet, (*Service).executeChangeSet, "RetainExceptOnCreate is refused"),
	service.Full(api.DeleteChangeSet, (*Service).deleteChangeSet),
	service.Full(api.ListChangeSets, (*Service).listChangeSets),
	service.Full(api.ListExports, (*Service).listExports),
	service.Full(api.ListImports, (*Service).listImports),
	service.Full(api.UpdateTerminationProtection, (*Service).updateTerminationProtection),
	service.Full(api.CancelUpdateStack, (*Service).cancelUpdateStack),
	service.Partial(api.ContinueUpdateRollback, (*Service).continueUpdateRollback, "ForceRollback is refused"),

	service.None[*Service](noPolicy, api.SetStackPolicy, api.GetStackPolicy),
	service.None[*Service]("a failed stack is updated or deleted; it is not rolled back later", api.RollbackStack),
	service.None[*Service]("resources with a CreationPolicy are refused, so nothing waits for signals", api.SignalResource),
	service.None[*Service]("there are no prices to estimate", api.EstimateTemplateCost),
	service.None[*Service]("limits are constants named in the documents", api.DescribeAccountLimits),
	service.None[*Service]("events are read with DescribeStackEvents", api.DescribeEvents),
	service.None[*Service]("stacks have one name only", api.SetAlias, api.RemoveAlias),
	service.None[*Service](noDrift, api.DetectStackDrift, api.DetectStackResourceDrift, api.DetectStackSetDrift,
		api.DescribeStackDriftDetectionStatus, api.DescribeStackResourceDrifts),
	service.None[*Service](noSets, api.CreateStackSet, api.UpdateStackSet, api.DeleteStackSet, api.DescribeStackSet, api.ListStackSets,
		api.CreateStackInstances, api.UpdateStackInstances, api.DeleteStackInstances, api.DescribeStackInstance, api.ListStackInstances,
		api.ListStackInstanceResourceDrifts, api.DescribeStackSetOperation, api.ListStackSetOperations, api.ListStackSetOperationResults,
		api.ListStackSetAutoDeploymentTargets, api.StopStackSetOperation, api.ImportStacksToStackSet),
	service.None[*Service](noRegistry, api.ActivateType, api.DeactivateType, api.RegisterType, api.DeregisterType, api.DescribeType,
		api.DescribeTypeRegistration, api.ListTypes, api.ListTypeVersions, api.ListTypeRegistrations, api.PublishType, api.TestType,
		api.SetTypeConfiguration, api.SetTypeDefaultVersion, api.BatchDescribeTypeConfigurations, api.RecordHandlerProgress,
		api.RegisterPublisher, api.DescribePublisher, api.DescribeChangeSetHooks, api.GetHookResult, api.ListHookResults),
	service.None[*Service](noScan, api.CreateGeneratedTemplate, api.UpdateGeneratedTemplate, api.DeleteGeneratedTemplate,
		api.DescribeGeneratedTemplate, api.GetGeneratedTemplate, api.ListGeneratedTemplates, api.StartResourceScan, api.DescribeResourceScan,
		api.ListResourceScans, api.ListResourceScanResources, api.ListResourceScanRelatedResources),
	service.None[*Service](noRefactor, api.CreateStackRefactor, api.DescribeStackRefactor, api.ExecuteStackRefactor,
		api.ListStackRefactors, api.ListStackRefactorActions),
	service.None[*Service](noOrg, api.ActivateOrganizationsAccess, api.DeactivateOrganizationsAccess, api.DescribeOrganizationsAccess),
}
