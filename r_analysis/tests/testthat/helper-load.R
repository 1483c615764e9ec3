analysis_folder <- normalizePath(file.path("..", ".."))
for (file in sort(list.files(file.path(analysis_folder, "R"), "[.]R$", full.names = TRUE), method = "radix")) {
  source(file, encoding = "UTF-8")
}
paper_path <- file.path(analysis_folder, "..", "data_manifests", "paper_results.csv")
test_schema <- function() read_schema(file.path(analysis_folder, "schema.csv"))
yardsticks_schema <- function() read_schema(file.path(analysis_folder, "yardsticks_schema.csv"))
read_fixture <- function() read_results("fixture", test_schema())
