// Package vtl runs API Gateway's mapping templates: the Velocity template
// language (1.x), with Java's methods on strings, lists and maps, and the JSON
// paths of $input.
//
// A template is parsed once and run many times; Templates are immutable. What
// a run may cost is bounded: loop rounds, steps, nesting, bytes of output.
//
// Directives: #set #if #elseif #else #foreach #define #macro #break #stop,
// comments, #[[literal]]#. #parse, #include and #evaluate fail to parse, since
// AWS has none of them. It is not a general Velocity: no tools, no Java classes.
package vtl
