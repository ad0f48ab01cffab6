// Package cachetest tells whether package cache holds its promises on a server:
// a conformance kit for hosts whose Redis is another than ours are tested on.
//
//	func TestMyRedis(t *testing.T) {
//		cachetest.Run(t, cachetest.Server{Options: &redis.UniversalOptions{Addrs: addrs}})
//	}
package cachetest
