package params

import (
	"fmt"
	"sync"
)

// Job is what a host asks for by the digit 处理要求 in the header of an answer.
type Job uint8

// Jobs, by their digit. 4, 5 and 9 stand in public sources; the others are not confirmed
// by one.
const (
	JobParameters   Job = 1 // download Parameters
	JobStatus       Job = 2 // upload the Status
	JobSignOn       Job = 3 // sign on anew
	JobCAKeys       Job = 4 // download CAKeys
	JobApplications Job = 5 // download Applications
	JobUpdate       Job = 6 // ask the terminal management for a new program
	JobQPS          Job = 9 // download QPS and the tables
)

var jobNames = map[Job]string{
	JobParameters: "parameters", JobStatus: "status", JobSignOn: "sign on", JobCAKeys: "CA keys",
	JobApplications: "applications", JobUpdate: "update", JobQPS: "small amounts",
}

// String names the job.
func (j Job) String() string {
	if name, ok := jobNames[j]; ok {
		return name
	}
	return fmt.Sprintf("job %d", uint8(j))
}

// Lists are the downloads of a job; none for one that is no download.
func (j Job) Lists() []What {
	switch j {
	case JobParameters:
		return []What{Parameters}
	case JobCAKeys:
		return []What{CAKeys}
	case JobApplications:
		return []What{Applications}
	case JobQPS:
		return []What{QPS, TableB, TableC}
	}
	return nil
}

// Orders collects jobs for the idle time: each once, in the order in which they came. The
// line adds to them while the till takes from them. The zero Orders is ready for use.
type Orders struct {
	mu   sync.Mutex
	jobs []Job
}

// Add takes the digit of an answer's header. Zero, a digit without a job, and a job that
// waits already change nothing.
func (o *Orders) Add(order byte) {
	job := Job(order)
	if _, ok := jobNames[job]; !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, j := range o.jobs {
		if j == job {
			return
		}
	}
	o.jobs = append(o.jobs, job)
}

// Next returns the job that has waited longest, and leaves it there until [Orders.Done]:
// the answers of the download itself carry the digit too.
func (o *Orders) Next() (Job, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.jobs) == 0 {
		return 0, false
	}
	return o.jobs[0], true
}

// Done removes a job, whether it was done or put off: the host asks again for what it
// still wants.
func (o *Orders) Done(job Job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, j := range o.jobs {
		if j == job {
			o.jobs = append(o.jobs[:i], o.jobs[i+1:]...)
			return
		}
	}
}

// Waiting returns the jobs in their order.
func (o *Orders) Waiting() []Job {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Job(nil), o.jobs...)
}
