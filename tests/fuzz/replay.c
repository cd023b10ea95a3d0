/* Runs a fuzz target over files: replay_fuzz_NAME FILE-or-FOLDER…
 *
 * Each file is given as it is, and then cut at a few places, since half a corpus file is as good an attack as a
 * whole one. The input lies in a block of exactly its size, so that the sanitizer sees every byte read too far.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_inputs, n_unreadable;

static void run(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_inputs++;
}

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("cannot read %s\n", path);
        n_unreadable++;
        return;
    }
    size_t size = 0, capacity = 1 << 16, got;
    uint8_t *bytes = malloc(capacity);
    if (!bytes) abort();
    while ((got = fread(bytes + size, 1, capacity - size, file)) > 0) {
        size += got;
        if (size < capacity) continue;
        bytes = realloc(bytes, capacity *= 2);
        if (!bytes) abort();
    }
    fclose(file);
    run(bytes, size);
    for (unsigned i = 1; i < 8; i++) run(bytes, size * i / 8);
    if (size > 0) run(bytes, size - 1);
    free(bytes);
}

static void replay(const char *path) {
    struct stat info;
    DIR *folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    if (!folder) {
        replay_file(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        char inner[4096];
        int n = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (n > 0 && (size_t)n < sizeof inner) replay(inner);
    }
    closedir(folder);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) replay(argv[i]);
    run((const uint8_t *)"", 0);
    printf("%u passed, %u failed\n", n_inputs, n_unreadable);
    return n_unreadable ? 1 : 0;
}
