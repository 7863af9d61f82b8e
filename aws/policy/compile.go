package policy

import "strings"

// compileStatement turns a statement of the right shape into matchers, refusing
// what IAM refuses.
func compileStatement(o object, kind Kind, version Version) (statement, *Malformed) {
	var s statement
	effect, _ := o.get("Effect")
	s.effect = Effect(effect.(string))
	if sid, has := o.get("Sid"); has {
		s.sid = sid.(string)
	}
	if !validSid(s.sid, kind) {
		return s, malformed(ReasonSid, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	}
	steps := []func(object, Kind, Version) *Malformed{s.compilePrincipal, s.compileActions, s.compileResources, s.compileConditions}
	for _, step := range steps {
		if bad := step(o, kind, version); bad != nil {
			return s, bad
		}
	}
	return s, nil
}

// either gives the element or its Not form.
func either(o object, name string) (v any, negated, found bool) {
	if v, found = o.get(name); found {
		return v, false, true
	}
	v, found = o.get("Not" + name)
	return v, true, found
}

func (s *statement) compilePrincipal(o object, kind Kind, _ Version) *Malformed {
	v, negated, found := either(o, "Principal")
	switch {
	case !kind.namesPrincipals() && found:
		return malformed(ReasonPrincipal, "Policy document should not specify a principal.")
	case !kind.namesPrincipals():
		return nil
	case !found:
		return malformed(ReasonPrincipal, "Missing required field Principal")
	case kind == Trust && negated:
		return malformed(ReasonPrincipal, "Has prohibited field NotPrincipal")
	}
	s.principals, s.notPrincipal = &principalSet{}, negated
	if text, ok := v.(string); ok {
		if text != "*" {
			return malformed(ReasonPrincipal, "Invalid principal in policy: %q", text)
		}
		s.principals.any = true
		return nil
	}
	named := 0
	for _, m := range v.(object) {
		values, _ := stringList(m.value)
		for _, value := range values {
			if !s.principals.add(m.key, value) {
				return malformed(ReasonPrincipal, "Invalid principal in policy: %q:%q", m.key, value)
			}
			named++
			if value != "*" {
				s.principalRefs = append(s.principalRefs, PrincipalRef{m.key, value})
			}
		}
	}
	if named == 0 {
		return malformed(ReasonPrincipal, "Missing required field Principal cannot be empty!")
	}
	return nil
}

func (s *statement) compileActions(o object, kind Kind, _ Version) *Malformed {
	v, negated, found := either(o, "Action")
	list, _ := stringList(v)
	if !found && kind.namesPrincipals() {
		return malformed(ReasonAction, "Missing required field Action")
	}
	if len(list) == 0 {
		return malformed(ReasonAction, "Policy statement must contain actions.")
	}
	if kind == Trust && negated {
		return malformed(ReasonAction, "Has prohibited field NotAction")
	}
	s.notAction = negated
	for _, action := range list {
		if bad := checkAction(action); bad != nil {
			return bad
		}
		pattern := appendGlob(nil, strings.ToLower(action))
		if kind == Trust && !isTrustAction(pattern) {
			return malformed(ReasonAction, "AssumeRole policy may only specify STS AssumeRole actions.")
		}
		s.actions = append(s.actions, pattern)
	}
	return nil
}

func checkAction(action string) *Malformed {
	if action == "*" {
		return nil
	}
	vendor, name, found := strings.Cut(action, ":")
	switch {
	case !found:
		return malformed(ReasonAction, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	case strings.Contains(name, ":"):
		return malformed(ReasonAction, "Actions/Condition can contain only one colon.")
	case !validVendor(vendor) || name == "":
		return malformed(ReasonAction, "Vendor %s is not valid", vendor)
	}
	return nil
}

func validVendor(vendor string) bool {
	return vendor != "" && !strings.ContainsFunc(vendor, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '-' || r == '.')
	})
}

// isTrustAction reports whether the pattern reaches an action that trust
// policies govern, without reaching other services.
func isTrustAction(pattern []elem) bool {
	if len(pattern) == 0 || pattern[0].kind != elemLiteral || !strings.HasPrefix(pattern[0].text, "sts:") {
		return false
	}
	for _, action := range []string{"sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"} {
		if globMatch(pattern, action) {
			return true
		}
	}
	return false
}

func (s *statement) compileResources(o object, kind Kind, version Version) *Malformed {
	v, negated, found := either(o, "Resource")
	if !kind.namesResources() {
		if found {
			return malformed(ReasonResource, "Has prohibited field Resource")
		}
		return nil
	}
	if !found && kind == Resource {
		return malformed(ReasonResource, "Missing required field Resource")
	}
	list, _ := stringList(v)
	if len(list) == 0 {
		return malformed(ReasonResource, "Policy statement must contain resources.")
	}
	s.notResource = negated
	for _, resource := range list {
		if bad := checkResource(resource); bad != nil {
			return bad
		}
		s.resources = append(s.resources, compileResource(resource, version))
	}
	return nil
}

// checkResource wants "*", or an ARN whose partition and service are spelled out.
func checkResource(resource string) *Malformed {
	if resource == "*" {
		return nil
	}
	fields := strings.SplitN(resource, ":", arnFields)
	if len(fields) < 2 || fields[0] != "arn" {
		return malformed(ReasonResource, "Resource %s must be in ARN format or \"*\".", resource)
	}
	if !validPartition(fields[1]) {
		return malformed(ReasonResource, "Partition \"%s\" is not valid for resource \"%s\".", fields[1], padARN(resource))
	}
	if len(fields) < 3 || !validVendor(fields[2]) {
		return malformed(ReasonResource, "Resource vendor must be fully qualified and cannot contain regexes.")
	}
	return nil
}

func validPartition(partition string) bool {
	return (partition == "aws" || strings.HasPrefix(partition, "aws-")) && !strings.ContainsAny(partition, "*?$")
}

// padARN completes a short ARN the way IAM does, with * in the fields it lacks.
func padARN(resource string) string {
	missing := arnFields - len(strings.SplitN(resource, ":", arnFields))
	return resource + strings.Repeat(":*", missing)
}

// compileResource compiles a resource pattern. Variables count only after the
// fifth colon; before it "${" is text.
func compileResource(resource string, version Version) template {
	if resource == "*" {
		return compileTemplate(resource, templateMode{glob: true})
	}
	resource = padARN(resource)
	fields := strings.SplitN(resource, ":", arnFields)
	tail := fields[arnFields-1]
	t := compileTemplate(tail, templateMode{glob: true, variables: version == Version2012})
	head := appendGlob(nil, strings.TrimSuffix(resource, tail))
	for _, e := range t.elems {
		if e.kind == elemLiteral {
			head = appendLiteral(head, e.text)
			continue
		}
		head = append(head, e)
	}
	t.raw, t.elems = resource, head
	return t
}

func (s *statement) compileConditions(o object, _ Kind, version Version) *Malformed {
	v, found := o.get("Condition")
	if !found {
		return nil
	}
	for _, operator := range v.(object) {
		base, ok := parseOperator(operator.key)
		if !ok {
			return malformed(ReasonCondition, "Invalid Condition type : %s.", operator.key)
		}
		for _, key := range operator.value.(object) {
			if !strings.Contains(key.key, ":") {
				return malformed(ReasonCondition, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
			c := base
			c.key = strings.ToLower(key.key)
			values, _ := scalarList(key.value)
			for _, value := range values {
				c.addValue(value, version == Version2012)
			}
			s.conditions = append(s.conditions, c)
		}
	}
	return nil
}
