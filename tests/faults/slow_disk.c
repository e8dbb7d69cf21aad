/* A slow disk for one process: preloaded, each sync takes as many milliseconds longer as a file holds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *delay;
static const int64_t none = 0;

__attribute__((constructor)) static void map_the_file(void) {
    const char *path = getenv("SLOW_DISK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0) close(file);
    delay = mapped == MAP_FAILED ? &none : mapped;
}

static void wait_a_while(void) {
    int64_t milliseconds = delay ? *delay : 0;
    struct timespec length = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    if (milliseconds > 0) nanosleep(&length, NULL);
}

int fsync(int file) {
    wait_a_while();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    wait_a_while();
    return (int)syscall(SYS_fdatasync, file);
}
