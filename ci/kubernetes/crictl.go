// crictl for tests: Debian 12 packages no cri-tools, and kubeadm 1.20 insists on a crictl that finds the runtime alive.
// It speaks the real protocol (CRI v1alpha2, from the vendored API of the Kubernetes source) and knows only
//   crictl [-r SOCKET] version | info | pods [-q] | ps [-q] | images
// Answers are JSON objects as the runtime gave them (enumerations as numbers: a running container has state 1), or
// identifiers with -q. Built by ci/kubernetes-binaries.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1alpha2"
)

func main() {
	socket := flag.String("r", "unix:///run/containerd/containerd.sock", "socket of the container runtime")
	flag.Parse()
	quiet := flag.NArg() == 2 && flag.Arg(1) == "-q"
	if flag.NArg() == 0 || flag.NArg() > 1 && !quiet {
		fail(fmt.Errorf("usage: crictl [-r SOCKET] version|info|pods|ps|images [-q]"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dial := func(ctx context.Context, path string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	connection, err := grpc.DialContext(ctx, strings.TrimPrefix(*socket, "unix://"), grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithContextDialer(dial), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		fail(fmt.Errorf("connecting to %s: %w", *socket, err))
	}
	runtime, images := cri.NewRuntimeServiceClient(connection), cri.NewImageServiceClient(connection)
	var answer interface{}
	var names []string
	switch flag.Arg(0) {
	case "version":
		answer, err = runtime.Version(ctx, &cri.VersionRequest{Version: "v1alpha2"})
	case "info":
		answer, err = runtime.Status(ctx, &cri.StatusRequest{Verbose: true})
	case "pods":
		var list *cri.ListPodSandboxResponse
		list, err = runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
		for _, item := range list.GetItems() {
			names = append(names, item.Id)
		}
		answer = list
	case "ps":
		var list *cri.ListContainersResponse
		list, err = runtime.ListContainers(ctx, &cri.ListContainersRequest{})
		for _, item := range list.GetContainers() {
			names = append(names, item.Id)
		}
		answer = list
	case "images":
		answer, err = images.ListImages(ctx, &cri.ListImagesRequest{})
	default:
		err = fmt.Errorf("unknown command %q", flag.Arg(0))
	}
	if err != nil {
		fail(err)
	}
	if quiet {
		for _, name := range names {
			fmt.Println(name)
		}
		return
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(answer); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "crictl:", err)
	os.Exit(1)
}
