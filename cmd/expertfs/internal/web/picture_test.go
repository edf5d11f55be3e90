package web

import (
	"os"
	"time"
)

// pictureDelay lets the charts fill where somebody is to look at pictures.
func pictureDelay() time.Duration {
	if os.Getenv("EXPERTFS_SCREENSHOTS") == "" {
		return 0
	}
	return 20 * time.Second
}
