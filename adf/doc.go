// Package adf reads, checks and writes Auto-lead Data Format (ADF) 1.0 documents.
// It knows the format and nothing of mail, stores or people.
package adf
