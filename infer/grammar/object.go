package grammar

// object has its properties in order, each that is not required or not.
func (c *schemaCompiler) object(con conjunction, m *merged) (expr, error) {
	keys, err := c.keysOf(con, m)
	if err != nil {
		return nil, err
	}
	if keys.none {
		return impossible, nil
	}
	// Node i is before property i while there is none yet; node n+1+i when
	// there is one already.
	n := len(keys.listed)
	end := 2*n + 2
	g := &graph{nodes: end + 1}
	for i, name := range keys.listed {
		value, err := c.property(con, name, true)
		if err != nil {
			return nil, err
		}
		rule, err := c.rule(value, nil)
		if err != nil {
			return nil, err
		}
		key := lit(appendString(nil, name))
		g.edge(i, n+2+i, key, c.colon(), rule)
		g.edge(n+1+i, n+2+i, c.comma(), key, c.colon(), rule)
		if !m.required[name] {
			g.edge(i, i+1)
			g.edge(n+1+i, n+2+i)
		}
	}
	if keys.other != nil {
		value, err := c.property(con, "", false)
		if err != nil {
			return nil, err
		}
		rule, err := c.rule(value, nil)
		if err != nil {
			return nil, err
		}
		member := c.add("additional", seq{keys.other, c.colon(), rule})
		g.edge(n, 2*n+1, member)
		g.edge(2*n+1, 2*n+1, c.comma(), member)
	}
	g.edge(n, end)
	g.edge(2*n+1, end, c.space())
	return seq{lit("{"), c.space(), g, lit("}")}, nil
}

// keys are the names of an object's properties.
type keys struct {
	listed []string // in order
	other  expr     // any others; nil without
	none   bool     // a name is required that may not be
}

// keysOf returns the names that the conjunction m was merged from allows.
func (c *schemaCompiler) keysOf(con conjunction, m *merged) (k keys, err error) {
	isOpen := m.extra && !con.says(func(s *schema) bool { return s.additional != nil && s.additional.never })
	var parts []element
	for _, e := range con {
		if e.schema.names != nil {
			parts = append(parts, element{schema: e.schema.names})
		}
	}
	names, err := c.flatten(parts...)
	if err != nil {
		return k, err
	}
	if branches, _, _, err := c.choose(names); err != nil || branches != nil {
		return k, con.fail("propertyNames", "anyOf and oneOf within it are not supported")
	}
	of := names.merge()
	of.kinds = of.valid
	known := make(map[string]bool)
	fits := func(name string) (bool, error) {
		known[name] = true
		if len(names) == 0 {
			return true, nil
		}
		v := &value{kind: kindString, text: name}
		if of.hasEnum && len(common([]*value{v}, of.enum)) == 0 {
			return false, nil
		}
		return names.fits(of, v)
	}
	for _, name := range m.names {
		ok, err := fits(name)
		if err != nil {
			return k, err
		}
		switch {
		case ok:
			k.listed = append(k.listed, name)
		case m.required[name]:
			return keys{none: true}, nil
		}
	}
	switch {
	case !isOpen || of.kinds&kindString == 0:
	case of.hasEnum:
		for _, v := range of.enum {
			if ok, err := names.fits(of, v); err != nil {
				return k, err
			} else if ok && v.kind == kindString && !known[v.text] {
				k.listed = append(k.listed, v.text)
			}
		}
	case len(m.names) == 0 && of.freeString():
		k.other = c.anyString()
	default:
		all, err := otherThan(c.effort, m.names)
		if err == nil && !of.freeString() {
			var some *machine
			if some, err = of.stringMachine(c.effort); err == nil {
				all, err = all.intersect(c.effort, some)
			}
		}
		if err != nil {
			return k, con.fail("propertyNames", "%v", err)
		}
		k.other = seq{lit(`"`), all.quoted(c.jsonRules), lit(`"`)}
	}
	return k, nil
}
