// Package acceptance holds what a site tests before it signs, as automated
// tests with real packets: a balancer, nodes and printers in network namespaces
// and real programs where a user would meet them. Each test is named by its
// promise and, in its comment, by its line of the acceptance sheet.
package acceptance
