package settings

import (
	"net/mail"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/smithy"
)

// Defaults of pools.
const (
	defaultPasswordLength    = 8
	DefaultTemporaryDays     = 7
	defaultFrom              = "no-reply@verificationemail.com"
	defaultCodeSubject       = "Your verification code"
	defaultCodeMessage       = "Your confirmation code is {####}"
	defaultInvitationSubject = "Your temporary password"
	defaultInvitationMessage = "Your username is {username} and temporary password is {####}."
	deletionProtectionOff    = "INACTIVE"
	customAttributesMax      = 50
	CodePlaceholder          = "{####}"
	UsernamePlaceholder      = "{username}"
	AttributeEmail           = "email"
	AttributePhone           = "phone_number"
	AttributePreferred       = "preferred_username"
	AttributeEmailVerified   = "email_verified"
	AttributePhoneVerified   = "phone_number_verified"
	AttributeSub             = "sub"
	recoveryAdminOnly        = "admin_only"
	recoveryEmail            = "verified_email"
	emailAccountDeveloper    = "DEVELOPER"
	emailAccountCognito      = "COGNITO_DEFAULT"
	poolTierDefault          = "ESSENTIALS"
	MultiFactorOff           = "OFF"
	verifyByCode             = "CONFIRM_WITH_CODE"
	preTokenVersion          = "V1_0"
	firstFactorPassword      = "PASSWORD"
	issuerOriginal           = "ORIGINAL"
	advancedSecurityOff      = "OFF"
	passwordLengthMin        = 6
	passwordLengthMax        = 99
)

// Pool is what is stored of a user pool: its settings in the form in which
// DescribeUserPool gives them, with every default filled in.
type Pool struct {
	Settings api.UserPoolType
}

// ID is the pool id.
func (p *Pool) ID() string { return smithy.Val(p.Settings.Id) }

// PasswordPolicy is what new passwords are judged by.
func (p *Pool) PasswordPolicy() *api.PasswordPolicyType { return p.Settings.Policies.PasswordPolicy }

// CaseSensitive: sign-in names differ by case.
func (p *Pool) CaseSensitive() bool {
	return p.Settings.UsernameConfiguration == nil || smithy.Val(p.Settings.UsernameConfiguration.CaseSensitive)
}

// Fold gives a sign-in name the form in which it is looked up.
func (p *Pool) Fold(name string) string {
	if p.CaseSensitive() {
		return name
	}
	return strings.ToLower(name)
}

// FoldAttribute is fold for alias values: e-mail addresses follow the pool's
// rule, telephone numbers have no case.
func (p *Pool) FoldAttribute(value string) string { return p.Fold(value) }

// SignsInWith: the attribute is the username.
func (p *Pool) SignsInWith(attribute string) bool {
	return slices.Contains(p.Settings.UsernameAttributes, attribute)
}

// HasAlias: the attribute, once verified, is another name of its user.
func (p *Pool) HasAlias(attribute string) bool {
	return slices.Contains(p.Settings.AliasAttributes, attribute)
}

// generatedNames: the pool's usernames are attributes, so the username proper is
// the sub.
func (p *Pool) GeneratedNames() bool { return len(p.Settings.UsernameAttributes) > 0 }

// AutoVerifies: a code is sent for the attribute without asking.
func (p *Pool) AutoVerifies(attribute string) bool {
	return slices.Contains(p.Settings.AutoVerifiedAttributes, attribute)
}

// VerifiesBeforeUpdate: a new value waits for its code.
func (p *Pool) VerifiesBeforeUpdate(attribute string) bool {
	u := p.Settings.UserAttributeUpdateSettings
	return u != nil && slices.Contains(u.AttributesRequireVerificationBeforeUpdate, attribute)
}

// AdminOnlySignUp: users cannot sign up by themselves.
func (p *Pool) AdminOnlySignUp() bool {
	return smithy.Val(p.Settings.AdminCreateUserConfig.AllowAdminCreateUserOnly)
}

// recoverable: users may reset a forgotten password by themselves.
func (p *Pool) Recoverable() bool {
	a := p.Settings.AccountRecoverySetting
	if a == nil || len(a.RecoveryMechanisms) == 0 {
		return true
	}
	return slices.ContainsFunc(a.RecoveryMechanisms, func(m api.RecoveryOptionType) bool {
		return smithy.Val(m.Name) == recoveryEmail
	})
}

// TemporaryDays is how long a temporary password may be used.
func (p *Pool) TemporaryDays() int {
	if d := p.PasswordPolicy().TemporaryPasswordValidityDays; d != nil {
		return int(*d)
	}
	return DefaultTemporaryDays
}

// CodeMessage is the subject and text for a code.
func (p *Pool) CodeMessage() (subject, text string) {
	subject, text = defaultCodeSubject, defaultCodeMessage
	if t := p.Settings.VerificationMessageTemplate; t != nil {
		subject = firstOf(smithy.Val(t.EmailSubject), subject)
		text = firstOf(smithy.Val(t.EmailMessage), text)
	}
	return subject, text
}

// Invitation is the subject and text for a temporary password.
func (p *Pool) Invitation() (subject, text string) {
	subject, text = defaultInvitationSubject, defaultInvitationMessage
	if t := p.Settings.AdminCreateUserConfig.InviteMessageTemplate; t != nil {
		subject = firstOf(smithy.Val(t.EmailSubject), subject)
		text = firstOf(smithy.Val(t.EmailMessage), text)
	}
	return subject, text
}

// Sender is the From address of the pool's mail.
func (p *Pool) Sender() string {
	e := p.Settings.EmailConfiguration
	if e == nil || smithy.Val(e.EmailSendingAccount) != emailAccountDeveloper {
		return defaultFrom
	}
	if from := smithy.Val(e.From); from != "" {
		return from
	}
	_, identity, _ := strings.Cut(smithy.Val(e.SourceArn), ":identity/")
	if !strings.Contains(identity, "@") {
		return defaultFrom
	}
	return identity
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// Configure checks settings that both creation and update take, and fills in
// defaults. What it leaves alone (id, dates, schema, sign-in names) does not
// change by update.
func (p *Pool) Configure(now time.Time) error {
	s := &p.Settings
	if err := refuseUnsupported(s); err != nil {
		return err
	}
	for _, check := range []func(*api.UserPoolType) error{
		checkVerification, checkPasswordPolicy, checkEmail, checkTriggers, checkRecovery, checkMessages,
	} {
		if err := check(s); err != nil {
			return err
		}
	}
	if s.AdminCreateUserConfig == nil {
		s.AdminCreateUserConfig = &api.AdminCreateUserConfigType{}
	}
	a := s.AdminCreateUserConfig
	if a.AllowAdminCreateUserOnly == nil {
		a.AllowAdminCreateUserOnly = ptr(false)
	}
	p.configureTemporaryDays()
	if s.EmailConfiguration == nil {
		s.EmailConfiguration = &api.EmailConfigurationType{EmailSendingAccount: ptr(emailAccountCognito)}
	}
	setDefault(&s.MfaConfiguration, MultiFactorOff)
	setDefault(&s.DeletionProtection, deletionProtectionOff)
	setDefault(&s.UserPoolTier, poolTierDefault)
	s.LastModifiedDate = &now
	return nil
}

// configureTemporaryDays: the password policy's number of days replaces the
// older setting and is shown in both.
func (p *Pool) configureTemporaryDays() {
	policy, admin := p.PasswordPolicy(), p.Settings.AdminCreateUserConfig
	if policy.TemporaryPasswordValidityDays == nil {
		policy.TemporaryPasswordValidityDays = admin.UnusedAccountValidityDays
	}
	if policy.TemporaryPasswordValidityDays == nil {
		policy.TemporaryPasswordValidityDays = ptr(int32(DefaultTemporaryDays))
	}
	admin.UnusedAccountValidityDays = policy.TemporaryPasswordValidityDays
}

func setDefault(field **string, value string) {
	if *field == nil {
		*field = &value
	}
}

func ptr[T any](v T) *T { return &v }

// Unsupported says that a documented setting does not exist here.
func Unsupported(setting string) error {
	return api.ErrInvalidParameterException("%s is not supported by this server.", setting)
}

func refuseUnsupported(s *api.UserPoolType) error {
	for _, r := range []struct {
		setting string
		present bool
	}{
		{"MfaConfiguration other than OFF", smithy.Val(s.MfaConfiguration) != "" && smithy.Val(s.MfaConfiguration) != MultiFactorOff},
		{"SmsConfiguration (text messages)", s.SmsConfiguration != nil},
		{"DeviceConfiguration (remembered devices)", s.DeviceConfiguration != nil},
		{"AdvancedSecurityMode other than OFF", s.UserPoolAddOns != nil &&
			(smithy.Val(s.UserPoolAddOns.AdvancedSecurityMode) != advancedSecurityOff || s.UserPoolAddOns.AdvancedSecurityAdditionalFlows != nil)},
		{"DcrConfiguration (dynamic client registration)", s.DcrConfiguration != nil},
		{"KeyConfiguration (customer managed keys)", s.KeyConfiguration != nil},
		{"IssuerConfiguration other than ORIGINAL", s.IssuerConfiguration != nil && smithy.Val(s.IssuerConfiguration.Type) != issuerOriginal},
		{"AcrConfiguration", len(s.AcrConfiguration) > 0},
		{"UserPoolTier PLUS", smithy.Val(s.UserPoolTier) == "PLUS"},
		{"Verification of phone_number (text messages)", slices.Contains(s.AutoVerifiedAttributes, AttributePhone)},
		{"Verification of phone_number before update (text messages)", s.UserAttributeUpdateSettings != nil &&
			slices.Contains(s.UserAttributeUpdateSettings.AttributesRequireVerificationBeforeUpdate, AttributePhone)},
	} {
		if r.present {
			return Unsupported(r.setting)
		}
	}
	return nil
}

func checkVerification(s *api.UserPoolType) error {
	u := s.UserAttributeUpdateSettings
	if u == nil {
		return nil
	}
	for _, a := range u.AttributesRequireVerificationBeforeUpdate {
		if !slices.Contains(s.AutoVerifiedAttributes, a) {
			return api.ErrInvalidParameterException("AttributesRequireVerificationBeforeUpdate can only contain values that are in AutoVerifiedAttributes.")
		}
	}
	return nil
}

func checkPasswordPolicy(s *api.UserPoolType) error {
	if s.Policies == nil {
		s.Policies = &api.UserPoolPolicyType{}
	}
	if f := s.Policies.SignInPolicy; f != nil && !slices.Equal(f.AllowedFirstAuthFactors, []string{firstFactorPassword}) {
		return Unsupported("A first authentication factor other than PASSWORD")
	}
	if s.Policies.PasswordPolicy == nil {
		s.Policies.PasswordPolicy = &api.PasswordPolicyType{
			RequireLowercase: ptr(true), RequireUppercase: ptr(true), RequireNumbers: ptr(true), RequireSymbols: ptr(true),
		}
	}
	p := s.Policies.PasswordPolicy
	if smithy.Val(p.PasswordHistorySize) > 0 {
		return Unsupported("PasswordHistorySize")
	}
	if p.MinimumLength == nil {
		p.MinimumLength = ptr(int32(defaultPasswordLength))
	}
	if *p.MinimumLength < passwordLengthMin || *p.MinimumLength > passwordLengthMax {
		return api.ErrInvalidParameterException("Minimum password length must be between %d and %d.", passwordLengthMin, passwordLengthMax)
	}
	for _, b := range []**bool{&p.RequireLowercase, &p.RequireUppercase, &p.RequireNumbers, &p.RequireSymbols} {
		if *b == nil {
			*b = ptr(false)
		}
	}
	return nil
}

func checkEmail(s *api.UserPoolType) error {
	e := s.EmailConfiguration
	if e == nil {
		return nil
	}
	setDefault(&e.EmailSendingAccount, emailAccountCognito)
	if e.ConfigurationSet != nil {
		return Unsupported("EmailConfiguration.ConfigurationSet")
	}
	if e.ReplyToEmailAddress != nil {
		return Unsupported("EmailConfiguration.ReplyToEmailAddress")
	}
	if *e.EmailSendingAccount == emailAccountDeveloper && e.SourceArn == nil {
		return api.ErrInvalidParameterException("SourceArn is required when EmailSendingAccount is DEVELOPER.")
	}
	if *e.EmailSendingAccount == emailAccountDeveloper && !strings.Contains(*e.SourceArn, ":identity/") {
		return api.ErrInvalidParameterException("SourceArn must be the ARN of an SES identity.")
	}
	if e.From != nil {
		if _, err := mail.ParseAddress(*e.From); err != nil {
			return api.ErrInvalidParameterException("Invalid From address in EmailConfiguration.")
		}
	}
	return nil
}

func checkTriggers(s *api.UserPoolType) error {
	l := s.LambdaConfig
	if l == nil {
		s.LambdaConfig = &api.LambdaConfigType{}
		return nil
	}
	for _, r := range []struct {
		trigger string
		present bool
	}{
		{"CustomMessage", l.CustomMessage != nil},
		{"DefineAuthChallenge", l.DefineAuthChallenge != nil},
		{"CreateAuthChallenge", l.CreateAuthChallenge != nil},
		{"VerifyAuthChallengeResponse", l.VerifyAuthChallengeResponse != nil},
		{"UserMigration", l.UserMigration != nil},
		{"CustomSMSSender", l.CustomSMSSender != nil},
		{"CustomEmailSender", l.CustomEmailSender != nil},
		{"KMSKeyID", l.KMSKeyID != nil},
		{"InboundFederation", l.InboundFederation != nil},
	} {
		if r.present {
			return Unsupported("LambdaConfig." + r.trigger)
		}
	}
	c := l.PreTokenGenerationConfig
	if c == nil {
		if l.PreTokenGeneration != nil {
			l.PreTokenGenerationConfig = &api.PreTokenGenerationVersionConfigType{LambdaArn: l.PreTokenGeneration, LambdaVersion: ptr(preTokenVersion)}
		}
		return nil
	}
	if smithy.Val(c.LambdaVersion) != preTokenVersion {
		return Unsupported("LambdaConfig.PreTokenGenerationConfig with LambdaVersion other than V1_0")
	}
	if l.PreTokenGeneration != nil && *l.PreTokenGeneration != smithy.Val(c.LambdaArn) {
		return api.ErrInvalidParameterException("PreTokenGeneration and PreTokenGenerationConfig must have the same Lambda ARN.")
	}
	l.PreTokenGeneration = c.LambdaArn
	return nil
}

func checkRecovery(s *api.UserPoolType) error {
	a := s.AccountRecoverySetting
	if a == nil {
		return nil
	}
	seen := map[int32]bool{}
	for _, m := range a.RecoveryMechanisms {
		if seen[smithy.Val(m.Priority)] {
			return api.ErrInvalidParameterException("Account Recovery Setting cannot have two mechanisms of the same priority.")
		}
		seen[smithy.Val(m.Priority)] = true
		if smithy.Val(m.Name) == recoveryAdminOnly && len(a.RecoveryMechanisms) > 1 {
			return api.ErrInvalidParameterException("Account Recovery Setting cannot use admin_only setting with any other recovery mechanisms.")
		}
	}
	return nil
}

// checkMessages brings the older message settings and the template together:
// either may be given, both are shown.
func checkMessages(s *api.UserPoolType) error {
	if s.VerificationMessageTemplate == nil {
		s.VerificationMessageTemplate = &api.VerificationMessageTemplateType{}
	}
	t := s.VerificationMessageTemplate
	setDefault(&t.DefaultEmailOption, verifyByCode)
	if *t.DefaultEmailOption != verifyByCode {
		return Unsupported("VerificationMessageTemplate.DefaultEmailOption other than CONFIRM_WITH_CODE")
	}
	for _, f := range []struct{ old, new **string }{
		{&s.EmailVerificationMessage, &t.EmailMessage},
		{&s.EmailVerificationSubject, &t.EmailSubject},
		{&s.SmsVerificationMessage, &t.SmsMessage},
	} {
		if *f.new == nil {
			*f.new = *f.old
		}
		*f.old = *f.new
	}
	if t.EmailMessage != nil && !strings.Contains(*t.EmailMessage, CodePlaceholder) {
		return api.ErrInvalidParameterException("Verification email message must contain {####}.")
	}
	if a := s.AdminCreateUserConfig; a != nil && a.InviteMessageTemplate != nil {
		m := a.InviteMessageTemplate.EmailMessage
		if m != nil && (!strings.Contains(*m, CodePlaceholder) || !strings.Contains(*m, UsernamePlaceholder)) {
			return api.ErrInvalidParameterException("Invitation email message must contain {####} and {username}.")
		}
	}
	return nil
}

// Updated is the pool after UpdateUserPool: what the request omits returns to
// its default.
func (p *Pool) Updated(in *api.UpdateUserPoolInput) *Pool {
	old := p.Settings
	s := api.UserPoolType{
		Id: old.Id, Arn: old.Arn, Name: old.Name, CreationDate: old.CreationDate, SchemaAttributes: old.SchemaAttributes,
		AliasAttributes: old.AliasAttributes, UsernameAttributes: old.UsernameAttributes, UsernameConfiguration: old.UsernameConfiguration,
		UserPoolTags: old.UserPoolTags,
	}
	keep(&s.Name, in.PoolName)
	if in.UserPoolTags != nil {
		s.UserPoolTags = in.UserPoolTags
	}
	s.Policies, s.DeletionProtection, s.LambdaConfig = in.Policies, in.DeletionProtection, in.LambdaConfig
	s.AutoVerifiedAttributes, s.SmsVerificationMessage = in.AutoVerifiedAttributes, in.SmsVerificationMessage
	s.EmailVerificationMessage, s.EmailVerificationSubject = in.EmailVerificationMessage, in.EmailVerificationSubject
	s.VerificationMessageTemplate, s.SmsAuthenticationMessage = in.VerificationMessageTemplate, in.SmsAuthenticationMessage
	s.MfaConfiguration, s.UserAttributeUpdateSettings = in.MfaConfiguration, in.UserAttributeUpdateSettings
	s.DeviceConfiguration, s.EmailConfiguration, s.SmsConfiguration = in.DeviceConfiguration, in.EmailConfiguration, in.SmsConfiguration
	s.AdminCreateUserConfig, s.UserPoolAddOns = in.AdminCreateUserConfig, in.UserPoolAddOns
	s.DcrConfiguration, s.AccountRecoverySetting, s.UserPoolTier = in.DcrConfiguration, in.AccountRecoverySetting, in.UserPoolTier
	s.KeyConfiguration, s.IssuerConfiguration, s.AcrConfiguration = in.KeyConfiguration, in.IssuerConfiguration, in.AcrConfiguration
	return &Pool{Settings: s}
}
