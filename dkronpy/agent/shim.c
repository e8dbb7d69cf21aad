/* The shim, compiled: it does what shim.py does, in a twentieth of the memory.

   shim.py says what a shim is for, and the names here are those of that file; what is said here as well is what C makes
   different. The forked Python shim becomes this program by an exec as soon as it has its child: the process stays,
   and with it the child, and Python's pages are given back. Where this cannot be run, shim.py goes on instead, and
   the same tests hold both to the same behaviour.

   It runs with the rights of the agent. So it opens nothing but /proc, has an empty environment, and takes nothing
   from anybody but through three descriptors: the agent's socket, the child's socket and the child's report.
   shim_messages.py has the layouts of what comes and goes. Where something fails that a shim cannot do without, it
   ends with FAILED_STATUS, and the helper, its parent, ends the tree and tells the agent. */

#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A layout that differs gets another number, since this file may have been compiled before the last change to Python's
   side: the first word of the command line says which one that speaks. */
#define LAYOUT 1
#define FILES 4
#define PACKET_BYTES 200000
#define NEVER INT64_MAX
#define UNKNOWN_STATUS (-1)
#define FAILED_STATUS 1
#define STUCK_STATUS 3

/* Nanoseconds, as all times here; the moments are those of the monotonic clock. */
#define MILLISECOND INT64_C(1000000)
#define SECOND (1000 * MILLISECOND)
#define DEATH_GRACE (500 * MILLISECOND)
#define DRAIN (250 * MILLISECOND)
#define MEMORY_INTERVAL (200 * MILLISECOND)
#define KILL_INTERVAL (20 * MILLISECOND)
#define GIVE_UP_AFTER (5 * SECOND)
#define LONGEST_WAIT (3600 * SECOND)

enum cause {
    BY_ITSELF, ORDERED, TIMED_OUT, TOO_LARGE, NOT_VOUCHED_FOR, AGENT_DIED, HELPER_DIED, SHIM_DIED, CANNOT_START,
    NOT_A_COMMAND, CHILD_DIED,
    NOBODY_LISTENS, /* is never told */
};
enum order { KILL = 1, VOUCH = 2 };
enum news { HAS_STARTED = 1, HAS_ENDED = 2 };

/* What the command line says. */
static int control, child_socket, report;
static pid_t helper, child;

static int signals;
static pid_t self;
static struct launch {
    int64_t keep_background, grace, timeout, mem_limit, vouched_until;
    char cwd[PATH_MAX];
} launch;

/* What goes to the agent at the end; the child's report is read into its place. */
static struct ended {
    int64_t news, cause, detail, status, gone, max_rss, cpu, duration;
    char report[PACKET_BYTES - 8 * sizeof(int64_t)];
} ended;
static size_t report_length;

static bool tree_empty, ending;
static int64_t began_at, ended_at, peak;
static int64_t timeout_at = NEVER, memory_at = NEVER, drain_until = NEVER, vouched_until = NEVER;
static int64_t kill_at = NEVER, give_up_at = NEVER;

static struct process {
    pid_t pid, parent;
    bool ours;
    int64_t resident;
} *processes; /* in rising order of their ids */
static size_t known, room;

static void fail(const char *what)
{
    perror(what);
    _exit(FAILED_STATUS);
}

static int64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static int64_t after(int64_t moment, int64_t duration)
{
    return duration > NEVER - moment ? NEVER : moment + duration;
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* The number that stands behind so many spaces; 0 where there is none. */
static int64_t number_behind(const char *text, int spaces)
{
    while (spaces > 0 && *text)
        spaces -= *text++ == ' ';
    return strtoll(text, NULL, 10);
}

/* What /proc/PID/stat says. The name of a program may hold anything, so what follows is counted from its end. */
static bool read_process(int proc, const char *pid, struct process *found)
{
    char path[32], text[2048];
    if (snprintf(path, sizeof path, "%s/stat", pid) >= (int)sizeof path)
        return false;
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* it has ended */
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    if (!name_end)
        return false;
    *found = (struct process){
        .pid = (pid_t)strtol(pid, NULL, 10),
        .parent = (pid_t)number_behind(name_end, 2),
        .resident = number_behind(name_end, 22) * sysconf(_SC_PAGESIZE),
    };
    return true;
}

static void read_processes(void)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        fail("dkronpy-shim: cannot read /proc");
    known = 0;
    for (struct dirent *entry; (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (known == room) {
            room = room ? 2 * room : 256;
            processes = reallocarray(processes, room, sizeof *processes);
            if (!processes)
                fail("dkronpy-shim: cannot hold the list of processes");
        }
        known += read_process(dirfd(proc), entry->d_name, &processes[known]);
    }
    closedir(proc);
}

static int by_pid(const void *one, const void *other)
{
    pid_t left = ((const struct process *)one)->pid, right = ((const struct process *)other)->pid;
    return (left > right) - (left < right);
}

static bool is_ours(pid_t pid)
{
    struct process key = {.pid = pid};
    const struct process *found = bsearch(&key, processes, known, sizeof *processes, by_pid);
    return pid == self || (found && found->ours);
}

/* Find all descendants. The first pass sees nearly all of them: that a child has a lower id than its parent is rare. */
static void find_descendants(void)
{
    read_processes();
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < known; i++)
            if (!processes[i].ours && is_ours(processes[i].parent))
                processes[i].ours = more = true;
    }
}

/* Send a signal to what was found; those that are gone or belong to someone else are passed over. */
static void signal_found(int number)
{
    for (size_t i = 0; i < known; i++)
        if (processes[i].ours)
            kill(processes[i].pid, number);
}

static int64_t add_up_memory(void)
{
    int64_t resident = 0;
    for (size_t i = 0; i < known; i++)
        resident += processes[i].ours ? processes[i].resident : 0;
    return resident;
}

static void terminate(void)
{
    find_descendants();
    signal_found(SIGTERM);
    signal_found(SIGCONT); /* a stopped process takes TERM only when it goes on */
}

/* Begin to end the tree, or hasten it; the first cause stays. */
static void end(enum cause cause, int64_t grace, int64_t detail)
{
    if (ended.status == UNKNOWN_STATUS && ended.cause == BY_ITSELF) {
        ended.cause = cause;
        ended.detail = detail;
    }
    if (!ending && grace > 0)
        terminate();
    ending = true;
    kill_at = earlier(kill_at, after(monotonic(), grace));
    give_up_at = after(kill_at, GIVE_UP_AFTER);
}

static void check_memory(int64_t now)
{
    find_descendants();
    int64_t resident = add_up_memory();
    peak = resident > peak ? resident : peak;
    memory_at = now + MEMORY_INTERVAL;
    if (resident > launch.mem_limit) {
        memory_at = NEVER;
        end(TOO_LARGE, 0, resident); /* no grace: in it the tree could go on growing and bring down the machine */
    }
}

/* Collect every process that ended; no child left means that the whole tree is gone. */
static void reap(void)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) != 0;) {
        if (pid < 0) {
            tree_empty = errno == ECHILD;
            return;
        }
        if (pid != child)
            continue;
        ended.status = status;
        ended_at = monotonic();
        timeout_at = memory_at = NEVER;
        if (ending)
            terminate(); /* what was forked after the first round of TERM */
        else
            drain_until = ended_at + DRAIN;
    }
}

/* Do what has become due. */
static void advance(int64_t now)
{
    if (getppid() != helper)
        end(HELPER_DIED, DEATH_GRACE, 0);
    if (now >= timeout_at) {
        timeout_at = NEVER;
        end(TIMED_OUT, launch.grace, 0);
    }
    if (now >= vouched_until) {
        vouched_until = NEVER;
        end(NOT_VOUCHED_FOR, 0, 0);
    }
    if (now >= memory_at)
        check_memory(now);
    if (now >= drain_until) {
        drain_until = NEVER;
        end(BY_ITSELF, launch.grace, 0);
    }
    if (now >= kill_at) {
        find_descendants();
        signal_found(SIGKILL);
        kill_at = now + KILL_INTERVAL;
    }
}

/* Whether the command has ended by itself and what it left behind may go on. */
static bool keeps_background(void)
{
    return launch.keep_background && ended.status != UNKNOWN_STATUS && !ending;
}

static bool is_over(void)
{
    return tree_empty || keeps_background() || monotonic() >= give_up_at;
}

/* Take the signals that have come; whether TERM was among them. */
static bool read_signals(void)
{
    struct signalfd_siginfo one;
    bool term = false;
    while (read(signals, &one, sizeof one) == sizeof one)
        term |= one.ssi_signo == SIGTERM;
    return term;
}

/* Take more of the child's report; false at its end, or where it is longer than any can be. */
static bool read_report(void)
{
    ssize_t length = read(report, ended.report + report_length, sizeof ended.report - report_length);
    report_length += length > 0 ? (size_t)length : 0;
    return length > 0;
}

/* Take what the agent says; false once it can say nothing more. */
static bool hear(void)
{
    struct { int64_t kind, value, grace; } order;
    ssize_t length = recv(control, &order, sizeof order, MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (length <= 0) {
        end(AGENT_DIED, DEATH_GRACE, 0);
        return false;
    }
    if (length != sizeof order)
        return true;
    if (order.kind == KILL)
        end(ORDERED, order.grace < 0 ? launch.grace : order.grace, order.value);
    else if (order.kind == VOUCH && vouched_until < NEVER && order.value > vouched_until)
        vouched_until = order.value;
    return true;
}

/* Wait until there is something to read; what there is stands in *sources*. */
static void wait_for(struct pollfd *sources, nfds_t count, int64_t deadline)
{
    int64_t left = deadline == NEVER ? LONGEST_WAIT : deadline - monotonic();
    left = left < 0 ? 0 : earlier(left, LONGEST_WAIT);
    if (poll(sources, count, (int)(left / MILLISECOND) + 1) < 0)
        for (nfds_t i = 0; i < count; i++)
            sources[i].revents = 0;
}

static void watch(void)
{
    struct pollfd sources[] = {
        {.fd = control, .events = POLLIN}, {.fd = signals, .events = POLLIN}, {.fd = report, .events = POLLIN},
    };
    while (!is_over()) {
        int64_t deadline = earlier(earlier(timeout_at, memory_at), earlier(drain_until, vouched_until));
        wait_for(sources, 3, earlier(deadline, earlier(kill_at, give_up_at)));
        if (sources[0].revents && !hear())
            sources[0].fd = -1;
        if (sources[1].revents)
            read_signals();
        if (sources[2].revents && !read_report())
            sources[2].fd = -1;
        reap();
        advance(monotonic());
    }
    while (read_report())
        ;
}

/* Whether there is a launch; a shim whose child or helper is gone before leaves its place to another. */
static bool wait_for_launch(void)
{
    struct pollfd sources[] = {{.fd = control, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        reap(); /* first of all: the child may have ended before the exec */
        if (tree_empty || getppid() != helper)
            return false;
        if (sources[0].revents)
            return true;
        wait_for(sources, 2, NEVER);
        read_signals();
    }
}

static bool is_launch(size_t length)
{
    size_t head = offsetof(struct launch, cwd);
    return length > head && length <= sizeof launch && launch.cwd[0] == '/' && !memchr(launch.cwd, '\0', length - head)
        && (launch.keep_background == 0 || launch.keep_background == 1)
        && launch.grace >= 0 && launch.timeout >= 0 && launch.mem_limit >= 0 && launch.vouched_until >= 0;
}

/* Room for the descriptors of one launch, aligned as the kernel wants it. */
union ancillary {
    struct cmsghdr head;
    char room[CMSG_SPACE(FILES * sizeof(int))];
};

/* Take the launch and its descriptors; BY_ITSELF if all is well, else why nothing can begin. */
static enum cause receive_launch(union ancillary *files, size_t *cwd_length)
{
    struct iovec packet = {&launch, sizeof launch};
    struct msghdr message = {
        .msg_iov = &packet, .msg_iovlen = 1, .msg_control = files, .msg_controllen = sizeof *files,
    };
    ssize_t length = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    if (length <= 0)
        return NOBODY_LISTENS;
    if (message.msg_flags & MSG_CTRUNC) { /* this process may have no more of them */
        ended.detail = EMFILE;
        return CANNOT_START;
    }
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if ((message.msg_flags & MSG_TRUNC) || !is_launch((size_t)length) || !head || head->cmsg_level != SOL_SOCKET
        || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(FILES * sizeof(int)))
        return NOT_A_COMMAND;
    *cwd_length = (size_t)length - offsetof(struct launch, cwd);
    return BY_ITSELF;
}

/* Hand the descriptors on to the child, as they are, and let go of them. */
static enum cause hand_on(union ancillary *files, size_t cwd_length)
{
    struct iovec packet = {launch.cwd, cwd_length};
    struct msghdr message = {
        .msg_iov = &packet, .msg_iovlen = 1, .msg_control = files, .msg_controllen = sizeof *files,
    };
    enum cause cause = BY_ITSELF;
    if (sendmsg(child_socket, &message, MSG_NOSIGNAL) < 0) {
        cause = errno == EPIPE || errno == ECONNRESET ? CHILD_DIED : CANNOT_START;
        ended.detail = cause == CANNOT_START ? errno : 0;
    }
    for (size_t i = 0; i < FILES; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(&files->head) + i * sizeof fd, sizeof fd);
        close(fd);
    }
    close(child_socket);
    return cause;
}

/* Let the child begin; BY_ITSELF if it does, else why not. The agent is told before the child is: what may have
   begun must not be launched again. */
static enum cause start(void)
{
    union ancillary files;
    size_t cwd_length;
    enum cause cause = receive_launch(&files, &cwd_length);
    if (cause != BY_ITSELF)
        return cause;
    began_at = monotonic();
    timeout_at = after(began_at, launch.timeout);
    memory_at = launch.mem_limit == NEVER ? NEVER : began_at;
    vouched_until = launch.vouched_until;
    int64_t started[] = {HAS_STARTED, child};
    if (send(control, started, sizeof started, MSG_NOSIGNAL) < 0)
        return NOBODY_LISTENS;
    return hand_on(&files, cwd_length);
}

static void describe(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    int64_t most = (int64_t)used.ru_maxrss * 1024;
    ended.gone = tree_empty;
    ended.max_rss = peak > most ? peak : most;
    ended.cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * SECOND
        + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * INT64_C(1000);
    ended.duration = (ended_at ? ended_at : monotonic()) - began_at;
}

static void tell(void)
{
    send(control, &ended, offsetof(struct ended, report) + report_length, MSG_NOSIGNAL);
}

/* Stay parent of what the command left behind until it ends or the helper, going, sends TERM. */
static void mind_background(void)
{
    struct pollfd source = {.fd = signals, .events = POLLIN};
    close(control);
    do {
        wait_for(&source, 1, NEVER);
        if (read_signals())
            return;
        reap();
    } while (!tree_empty);
}

/* Signals are read from a descriptor; those of a service manager are read and not heeded. The two settings survive an
   exec, but for the second where a security module sees more in it than another program. */
static void settle(void)
{
    self = getpid();
    sigset_t heeded;
    sigemptyset(&heeded);
    sigaddset(&heeded, SIGCHLD);
    sigaddset(&heeded, SIGTERM);
    sigaddset(&heeded, SIGINT);
    sigaddset(&heeded, SIGHUP);
    sigprocmask(SIG_BLOCK, &heeded, NULL);
    signals = signalfd(-1, &heeded, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
        fail("dkronpy-shim");
    prctl(PR_SET_NAME, "dkronpy-shim", 0, 0, 0);
    ended.news = HAS_ENDED;
    ended.status = UNKNOWN_STATUS;
    ended.gone = true;
}

int main(int argc, char **argv)
{
    if ((argc != 7 && argc != 2) || atoi(argv[1]) != LAYOUT) {
        fputs("dkronpy-shim: only an agent of dkronpy, of the same release, runs this\n", stderr);
        return FAILED_STATUS;
    }
    settle();
    if (argc == 2)
        return 0; /* the helper tries whether this can be run */
    control = atoi(argv[2]);
    child_socket = atoi(argv[3]);
    report = atoi(argv[4]);
    helper = atoi(argv[5]);
    child = atoi(argv[6]);
    if (fcntl(report, F_SETFL, O_NONBLOCK) < 0)
        fail("dkronpy-shim");
    if (!wait_for_launch())
        return 0;
    enum cause cause = start();
    if (cause != BY_ITSELF) {
        ended.cause = cause;
        if (cause != NOBODY_LISTENS)
            tell();
        return 0;
    }
    watch();
    describe();
    tell();
    if (keeps_background()) {
        mind_background();
        return 0;
    }
    return tree_empty ? 0 : STUCK_STATUS;
}
